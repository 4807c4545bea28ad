"""The colours of the report, held to WCAG contrast and to colour-vision deficiencies.

The matrices are those of Machado, Oliveira and Fernandes, A Physiologically-based Model for
Simulation of Color Vision Deficiency (2009), table 1, severity 1.0; they act on linear RGB.
"""

import itertools
import re
from importlib.resources import files

import numpy as np
import pytest

from tracekit.report.view import COLOURS

SIGHTS = {
    "full": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
WHITE = np.array([0.9505, 1.0, 1.089])


def palette():
    css = files("tracekit.report").joinpath("static/theme.css").read_text()
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", css)
    return {
        theme: {name: pair[n] for name, *pair in pairs} for n, theme in enumerate(("light", "dark"))
    }


def linear(colour):
    values = np.array([int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    dark, light = sorted(float(XYZ[1] @ linear(colour)) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def lab(rgb):
    ratio = XYZ @ np.clip(rgb, 0, 1) / WHITE
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("sight", SIGHTS)
def test_agents_keep_apart(theme, sight):
    colours = [palette()[theme][f"a{n}"] for n in range(COLOURS)]
    seen = [lab(SIGHTS[sight] @ linear(colour)) for colour in colours]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 20


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(
    "pair",
    [
        *itertools.product(("text", "muted", "accent", "blame"), ("page", "surface", "sunken")),
        *(("text", "mark"), ("text", "hit"), ("blame", "blame-soft"), ("good", "good-soft")),
        *(("doubt", "doubt-soft"), ("good", "page"), ("doubt", "page"), ("muted", "blame-soft")),
    ],
    ids="-on-".join,
)
def test_text_has_contrast_aa(theme, pair):
    assert contrast(*(palette()[theme][name] for name in pair)) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_marks_and_frames_of_fields_have_contrast_aa(theme):
    colours = palette()[theme]
    for name in (*(f"a{n}" for n in range(COLOURS)), "line-strong", "blame"):
        assert min(contrast(colours[name], colours[ground]) for ground in ("page", "surface")) >= 3
