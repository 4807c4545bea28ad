"""An encoder as an ONNX model beside its weights, for the `onnx` extra.

python -m tracekit_models.encoder.onnx_export weights.safetensors      # writes weights.onnx
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tracekit.encoder.encoder import Encoder
from tracekit.encoder.onnx import WEIGHTS
from tracekit.encoder.table import matrix
from tracekit.encoder.tensors import read
from tracekit.encoder.transformer import END, START
from tracekit.optional import require
from tracekit_models.encoder.network import Network, network_of


class OneText(nn.Module):
    """Ids of one text's pieces, (1, pieces), to its unit vector, (1, width)."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.around = nn.Buffer(torch.tensor([[START], [END]]))

    def forward(self, ids: Tensor) -> Tensor:
        """With the markers that stand around every text."""
        whole = torch.cat([self.around[:1], ids, self.around[1:]], dim=1)
        found: Tensor = self.network(whole, torch.ones_like(whole, dtype=torch.bool))
        return found


class Mean(nn.Module):
    """The same for static vectors."""

    def __init__(self, table: np.ndarray) -> None:
        super().__init__()
        self.table = nn.Embedding(len(table), table.shape[1], _weight=torch.from_numpy(table))

    def forward(self, ids: Tensor) -> Tensor:
        """The mean of the pieces' vectors, of unit length."""
        return nn.functional.normalize(self.table(ids).mean(1), dim=-1)


def export(weights: Path) -> Path:
    """Write the ONNX model of an encoder beside its weights; returns its path."""
    onnx: Any = require("onnx", extra="train")
    encoder, arrays = Encoder.load(weights), read(weights).arrays
    module: nn.Module = (
        Mean(matrix(arrays, "words"))
        if encoder.settings.kind == "static"
        else OneText(network_of(arrays, encoder.settings))
    )
    out = weights.with_suffix(".onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer warns of every constant
        torch.onnx.export(
            module.eval(),
            (torch.arange(7)[None],),
            str(out),
            input_names=["ids"],
            output_names=["vector"],
            dynamic_axes={"ids": {1: "pieces"}},
            dynamo=False,
        )
    model = onnx.load(out)
    onnx.helper.set_model_props(model, {WEIGHTS: encoder.id})
    onnx.save(model, out)
    return out


def main() -> int:
    """Export the file of the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("weights", type=Path)
    sys.stderr.write(f"{export(parser.parse_args().weights)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
