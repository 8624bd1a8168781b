"""Triton kernels for operations between convolutions, with tensors in the channels-last layout.

torch's GroupNorm converts tensors to the contiguous layout and back, and each elementwise operation
reads and writes all of its tensor. Measured on an H200 with float16, half of the time of Stable
Diffusion 1.5's UNet went into that. Every sum is over one row of a batch, in an order that depends
on the row's shape alone, so the kernels are batch-invariant.

Triton is part of torch's packages for CUDA and ROCm on Linux; without it this module cannot be
imported. With TRITON_INTERPRET=1 the kernels run on a CPU, which is how they are tested.
"""

from typing import Any, Final

import torch
import triton
import triton.language as tl

_PIXELS: Final = 64
"""Pixels of a block."""
_CHANNELS: Final = 64
"""Channels of a block."""
_SUMMED_PIXELS: Final = 128
"""Pixels whose moments are computed together."""
_MERGED: Final = 64
"""Moments that are read at once when they are merged."""
_SQRT_HALF: Final = tl.constexpr(0.7071067811865476)


@triton.jit
def _load(x, added, row, pixels, channels, n_pixels, n_channels, mask, HAS_ADDED: tl.constexpr):
    """A block of x, (pixels, channels), in float32, with the row's vector added."""
    offsets = row.to(tl.int64) * n_pixels * n_channels
    offsets += pixels[:, None].to(tl.int64) * n_channels + channels[None, :]
    values = tl.load(x + offsets, mask=mask, other=0.0).to(tl.float32)
    if HAS_ADDED:
        vector = tl.load(added + row * n_channels + channels, mask=channels < n_channels, other=0.0)
        values += vector.to(tl.float32)[None, :]
    return values


@triton.jit
def _moments_kernel(
    x,
    added,
    moments,
    n_pixels,
    n_channels,
    n_parts,
    HAS_ADDED: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """Sum, and sum of squared distances from the mean, of each channel over PIXELS pixels."""
    part, row = tl.program_id(0), tl.program_id(1)
    pixels = part * PIXELS + tl.arange(0, PIXELS)
    channels = tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)
    mask = (pixels < n_pixels)[:, None] & (channels < n_channels)[None, :]
    values = _load(x, added, row, pixels, channels, n_pixels, n_channels, mask, HAS_ADDED)
    values = tl.where(mask, values, 0.0)
    count = tl.minimum(n_pixels - part * PIXELS, PIXELS).to(tl.float32)
    total = tl.sum(values, axis=0)
    distance = tl.where(mask, values - (total / count)[None, :], 0.0)
    out = moments + ((row * n_parts + part) * n_channels + channels) * 2
    tl.store(out, total, mask=channels < n_channels)
    tl.store(out + 1, tl.sum(distance * distance, axis=0), mask=channels < n_channels)


@triton.jit(do_not_specialize=["n_parts"])  # else it would be compiled for more sizes
def _affine_kernel(
    moments,
    weight,
    bias,
    affine,
    n_pixels,
    n_channels,
    group_channels,
    eps,
    n_parts,
    PIXELS: tl.constexpr,
    PARTS: tl.constexpr,
    GROUP: tl.constexpr,
):
    """Merge the moments of a group into a factor and a summand for each of its channels."""
    row, group = tl.program_id(0), tl.program_id(1)
    within = tl.arange(0, GROUP)
    channels = group * group_channels + within
    in_group = within < group_channels
    first = moments + row * n_parts * n_channels * 2
    size = n_pixels * group_channels
    total = tl.zeros((GROUP,), tl.float32)
    # not range, because the interpreter cannot loop to a tensor
    start = n_parts * 0
    while start < n_parts:
        parts = start + tl.arange(0, PARTS)
        mask = (parts < n_parts)[:, None] & in_group[None, :]
        at = first + (parts[:, None] * n_channels + channels[None, :]) * 2
        total += tl.sum(tl.load(at, mask=mask, other=0.0), axis=0)
        start += PARTS
    mean = tl.sum(total, axis=0) / size
    squares = tl.zeros((GROUP,), tl.float32)
    start = n_parts * 0
    while start < n_parts:
        parts = start + tl.arange(0, PARTS)
        mask = (parts < n_parts)[:, None] & in_group[None, :]
        at = first + (parts[:, None] * n_channels + channels[None, :]) * 2
        counts = tl.minimum(n_pixels - parts * PIXELS, PIXELS)
        counts = tl.maximum(counts, 1).to(tl.float32)[:, None]  # 0 or less where masked
        distance = tl.load(at, mask=mask, other=0.0) / counts - mean
        merged = tl.load(at + 1, mask=mask, other=0.0) + counts * distance * distance
        squares += tl.sum(tl.where(mask, merged, 0.0), axis=0)
        start += PARTS
    factor = 1.0 / tl.sqrt(tl.sum(squares, axis=0) / size + eps)
    scale = tl.load(weight + channels, mask=in_group, other=0.0).to(tl.float32) * factor
    shift = tl.load(bias + channels, mask=in_group, other=0.0).to(tl.float32) - mean * scale
    out = affine + (row * n_channels + channels) * 2
    tl.store(out, scale, mask=in_group)
    tl.store(out + 1, shift, mask=in_group)


@triton.jit
def _apply_kernel(
    x,
    added,
    affine,
    y,
    n_pixels,
    n_channels,
    HAS_ADDED: tl.constexpr,
    SILU: tl.constexpr,
    PIXELS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """The normalised values, through SiLU or not."""
    row = tl.program_id(1)
    pixels = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channels = tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)
    mask = (pixels < n_pixels)[:, None] & (channels < n_channels)[None, :]
    values = _load(x, added, row, pixels, channels, n_pixels, n_channels, mask, HAS_ADDED)
    at = affine + (row * n_channels + channels) * 2
    scale = tl.load(at, mask=channels < n_channels, other=0.0)
    shift = tl.load(at + 1, mask=channels < n_channels, other=0.0)
    values = values * scale[None, :] + shift[None, :]
    if SILU:
        values = values / (1.0 + tl.exp(-values))
    offsets = row.to(tl.int64) * n_pixels * n_channels
    offsets += pixels[:, None].to(tl.int64) * n_channels + channels[None, :]
    tl.store(y + offsets, values.to(y.dtype.element_ty), mask=mask)


@triton.jit
def _geglu_kernel(
    x,
    y,
    n_rows,
    width,
    ROWS: tl.constexpr,
    WIDTH: tl.constexpr,
):
    """The first half of each row of x times GELU of the second half."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    columns = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    mask = (rows < n_rows)[:, None] & (columns < width)[None, :]
    at = x + rows[:, None].to(tl.int64) * (2 * width) + columns[None, :]
    values = tl.load(at, mask=mask, other=0.0).to(tl.float32)
    gate = tl.load(at + width, mask=mask, other=0.0).to(tl.float32)
    result = values * gate * 0.5 * (1.0 + tl.erf(gate * _SQRT_HALF))
    out = y + rows[:, None].to(tl.int64) * width + columns[None, :]
    tl.store(out, result.to(y.dtype.element_ty), mask=mask)


def grid(x: torch.Tensor, pixels: int) -> tuple[int, int, int]:
    """Blocks of so many pixels, rows, and blocks of channels of `x`, (n, channels, h, w).

    CUDA has at most 2**31 - 1 blocks in the first dimension and 65535 in the others, and a picture
    of 2048 x 2048 has 65536 blocks of 64 pixels.
    """
    rows, channels, height, width = x.shape
    return triton.cdiv(height * width, pixels), rows, triton.cdiv(channels, _CHANNELS)


def group_norm(
    x: torch.Tensor, norm: torch.nn.GroupNorm, added: torch.Tensor | None = None, *, silu: bool
) -> torch.Tensor:
    """GroupNorm of `x`, (n, channels, h, w) in the channels-last layout, with `added`,
    (n, channels), added to each pixel before; through SiLU after it, if `silu`.

    Sums are in float32; the result has the dtype and the layout of `x`.
    """
    rows, channels, height, width = x.shape
    pixels, group = height * width, channels // norm.num_groups
    parts = triton.cdiv(pixels, _SUMMED_PIXELS)
    moments = torch.empty(rows, parts, channels, 2, device=x.device, dtype=torch.float32)
    affine = torch.empty(rows, channels, 2, device=x.device, dtype=torch.float32)
    y = torch.empty_like(x)
    vector: Any = x if added is None else added
    has_added = added is not None
    _moments_kernel[grid(x, _SUMMED_PIXELS)](
        x, vector, moments, pixels, channels, parts, has_added, _SUMMED_PIXELS, _CHANNELS
    )
    _affine_kernel[rows, norm.num_groups](
        moments, norm.weight, norm.bias, affine, pixels, channels, group, norm.eps, parts,
        _SUMMED_PIXELS, _MERGED, triton.next_power_of_2(group),
    )  # fmt: skip
    _apply_kernel[grid(x, _PIXELS)](
        x, vector, affine, y, pixels, channels, has_added, silu, _PIXELS, _CHANNELS
    )
    return y


def geglu(x: torch.Tensor) -> torch.Tensor:
    """The first half of the last dimension of `x`, which is contiguous, times GELU of the second
    half."""
    width = x.shape[-1] // 2
    y = torch.empty(*x.shape[:-1], width, device=x.device, dtype=x.dtype)
    rows = y.numel() // width
    _geglu_kernel[triton.cdiv(rows, _PIXELS), triton.cdiv(width, _CHANNELS)](
        x, y, rows, width, _PIXELS, _CHANNELS
    )
    return y
