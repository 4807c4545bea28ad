"""The same vectors by onnxruntime (extra `onnx`), for those who exported an encoder to ONNX.

`python -m tracekit_models.encoder.onnx_export weights.safetensors` writes `weights.onnx` beside the
weights. One thread and one text at a time, as in numpy, so that a vector depends on its text alone.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tracekit.errors import InputError
from tracekit.optional import require

WEIGHTS = "weights"
"""Entry of the model's metadata: `Encoder.id` of the weights it was made from."""


class Session:
    """Word pieces to a vector, by a network in an ONNX file."""

    def __init__(self, path: Path, id: str) -> None:
        runtime = require("onnxruntime", extra="onnx")
        if not path.is_file():
            raise InputError(
                f"{path}: no such file; make it with `python -m tracekit_models.encoder.onnx_export`"
            )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session = runtime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own exceptions have no common base
            raise InputError(
                f"{path}: not an ONNX model: {str(error)[:200]}; export it again"
            ) from None
        made_from = self._session.get_modelmeta().custom_metadata_map.get(WEIGHTS)
        if made_from != id:
            raise InputError(f"{path}: made from weights {made_from}, not {id}; export it again")

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        """The text's vector, (width,)."""
        found: np.ndarray = self._session.run(None, {"ids": ids[None, :]})[0][0]
        return found
