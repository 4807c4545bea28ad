"""FLOPs of a causal decoder and the peak of a GPU: a part of prm_gpu.py and tracer_gpu.py."""

PEAK = 989e12
"""FLOP/s of one H100 or H200, bfloat16, dense."""


def forward(products: int, layers: int, width: int, squares: float) -> float:
    """FLOPs of one pass forward; a pass backward, all weights learning, needs twice as many.

    `products` counts a weight once for each token that it is multiplied with. `squares` is the sum
    of squared lengths: causal attention looks at half of each square.
    """
    return 2.0 * products + 2.0 * layers * width * squares
