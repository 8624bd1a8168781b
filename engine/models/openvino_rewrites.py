"""Rewrites of OpenVINO's graphs into equivalent ones that its CPU plugin runs faster.

The plugin computes convolutions in the channels-last layout. Its GroupNormalization wants channels
first, so that both layouts are converted into each other around it.

Each rewrite leaves alone what does not have its pattern. Results change by rounding; a row has the
same bits in batches of all sizes and with all numbers of threads, if it had them before.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from engine.models.openvino_package import openvino

VERSION: Final = 2
"""Changes with the bits of rewritten graphs. Graphs without rewrites were the first version."""
MIN_PIXELS: Final = 256
"""Of a feature map. Normalization in the channels-last layout is not faster for smaller ones."""
MAX_TERMS: Final = 1024
"""Larger sums over a channel's pixels are computed in two steps: OpenVINO adds one pixel after the
other in float32, so that errors grow with their number."""
_SPATIAL: Final = (2, 3)
_TAPS: Final = {0: (2,), 1: (1, 2), 2: (0, 1), 3: (0,)}
"""Which taps of a kernel of size 3 behind a nearest-neighbor upsampling by 2 are summed up to each
tap of a transposed convolution with stride 2."""

_Node = Any
"""openvino has no types for mypy."""


def rewrite(model: _Node) -> None:
    """Rewrite a model with fixed shapes, in float32, in place."""
    passes = openvino().passes
    manager = passes.Manager()
    manager.register_pass(passes.ConstantFolding())  # for sizes that depend on the shapes
    manager.run_passes(model)
    for node in list(_nodes(model, "GroupNormalization")):
        _normalize_channels_last(node)
    for node in list(_nodes(model, "Convolution")):
        _merge_upsampling(node)
    for node in list(_nodes(model, "VariadicSplit")):
        _split_weights(node)
    model.validate_nodes_and_infer_types()


def _nodes(model: _Node, kind: str) -> Iterator[_Node]:
    return (node for node in model.get_ordered_ops() if node.get_type_name() == kind)


def _kind(output: _Node) -> str:
    """The type of the node with this output."""
    return str(output.get_node().get_type_name())


def _shape(output: _Node) -> list[int]:
    """Empty if it is not fixed."""
    shape = output.get_partial_shape()
    return list(shape.to_shape()) if shape.is_static else []


def _integers(*values: int) -> _Node:
    return openvino().opset13.constant(np.array(values, np.int64))


def _number(value: float) -> _Node:
    return openvino().opset13.constant(np.float32(value))


def _normalize_channels_last(norm: _Node) -> None:
    """GroupNormalization as operations that the plugin has for the channels-last layout.

    The mean of each channel is subtracted before the squares are summed up, which is as exact as
    the sum of squared differences from the group's mean. What is added to whole channels before
    (the time embedding) is added to the means instead.

    One group is left alone: the plugin has a kernel for it (MVN).
    """
    ops = openvino().opset13
    x, scale, bias = norm.input_values()
    groups, epsilon = (norm.get_attributes()[name] for name in ("num_groups", "epsilon"))
    shape = _shape(x)
    if len(shape) != 4 or groups == 1 or shape[2] * shape[3] < MIN_PIXELS:
        return
    rows, channels, height, width = shape
    x, added = _without_added_channels(x)
    grouped = _integers(rows, groups, channels // groups)
    whole = _integers(rows, channels, 1, 1)

    means = _mean(x, height, width)
    centered = ops.subtract(x, means)
    norms = ops.reshape(_norms(centered, height, width), grouped, False)
    variances = ops.multiply(ops.multiply(norms, norms), _number(1 / (height * width)))
    means = ops.reshape(means, grouped, False)
    if added is not None:
        means = ops.add(means, ops.reshape(added, grouped, False))
    offsets = ops.subtract(means, ops.reduce_mean(means, _integers(-1), True))
    variances = ops.add(variances, ops.multiply(offsets, offsets))
    variance = ops.reduce_mean(variances, _integers(-1), True)
    deviation = ops.sqrt(ops.add(variance, _number(epsilon)))
    factors = _integers(1, groups, channels // groups)
    factor = ops.divide(ops.reshape(scale, factors, False), deviation)
    centered = ops.add(centered, ops.reshape(offsets, whole, False))
    product = ops.multiply(centered, ops.reshape(factor, whole, False))
    result = ops.add(product, ops.reshape(bias, _integers(1, channels, 1, 1), False))
    norm.output(0).replace(result.output(0))


def _without_added_channels(x: _Node) -> tuple[_Node, _Node | None]:
    """A feature map, and what is added to all pixels of each channel before it is normalized."""
    if _kind(x) != "Add":
        return x, None
    first, second = x.get_node().input_values()
    for image, channels in ((first, second), (second, first)):
        is_added = _shape(channels) == [*_shape(x)[:2], 1, 1] and _shape(image) == _shape(x)
        if is_added and _kind(channels) != "Constant":
            return image, channels
    return x, None


def _mean(x: _Node, height: int, width: int) -> _Node:
    """Of each channel of each row."""
    ops = openvino().opset13
    if height * width <= MAX_TERMS:
        return ops.reduce_mean(x, _integers(*_SPATIAL), True)
    sums = ops.reduce_sum(x, _integers(3), True)
    return ops.multiply(ops.reduce_mean(sums, _integers(2), True), _number(1 / width))


def _norms(x: _Node, height: int, width: int) -> _Node:
    """The square root of the sum of squares of each channel of each row."""
    ops = openvino().opset13
    if height * width <= MAX_TERMS:
        return ops.reduce_l2(x, _integers(*_SPATIAL), True)
    norms = ops.reduce_l2(x, _integers(3), True)
    return ops.sqrt(ops.reduce_sum(ops.multiply(norms, norms), _integers(2), True))


def _merge_upsampling(convolution: _Node) -> None:
    """A nearest-neighbor upsampling by 2 and a 3x3 convolution as one transposed convolution.

    It multiplies four numbers for each output instead of nine.
    """
    upsampled, weights = convolution.input_values()
    shape, upsampling = _shape(weights), upsampled.get_node()
    if shape[2:] != [3, 3] or _kind(weights) != "Constant" or _kind(upsampled) != "Interpolate":
        return
    if not _keeps_size(convolution) or not _doubles(upsampling):
        return
    ops = openvino().opset13
    kernels = ops.constant(_transposed_kernels(weights.get_node().get_data()))
    result = ops.convolution_backprop_data(
        upsampling.input_value(0),
        kernels,
        strides=[2, 2],
        pads_begin=[1, 1],
        pads_end=[1, 1],
        dilations=[1, 1],
    )
    convolution.output(0).replace(result.output(0))


def _keeps_size(convolution: _Node) -> bool:
    names = ("strides", "dilations", "pads_begin", "pads_end")
    attributes = convolution.get_attributes()
    return attributes["auto_pad"] == "explicit" and all(attributes[n] == [1, 1] for n in names)


def _doubles(upsampling: _Node) -> bool:
    """Whether it repeats each pixel in two rows and two columns."""
    attributes = upsampling.get_attributes()
    expected = {
        "mode": "nearest",
        "nearest_mode": "floor",
        "coordinate_transformation_mode": "asymmetric",
    }
    if any(attributes.get(name) != value for name, value in expected.items()):
        return False
    if any(attributes["pads_begin"]) or any(attributes["pads_end"]):
        return False
    if attributes["shape_calculation_mode"] == "scales":
        scales = upsampling.input_value(1)
        if _kind(scales) != "Constant" or set(scales.get_node().get_data().tolist()) != {2.0}:
            return False
    before, after = (_shape(side) for side in (upsampling.input_value(0), upsampling.output(0)))
    return len(before) == 4 and after == [*before[:2], 2 * before[2], 2 * before[3]]


def _transposed_kernels(weights: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """(out, in, 3, 3) to (in, out, 4, 4): sums of those taps that meet the same pixel."""
    sums = np.zeros((3, 4), np.float32)
    for column, taps in _TAPS.items():
        sums[list(taps), column] = 1
    kernels = weights.reshape(-1, 9) @ np.kron(sums, sums)
    return kernels.reshape(*weights.shape[:2], 4, 4).transpose(1, 0, 2, 3)


def _split_weights(split: _Node) -> None:
    """The halves of a linear layer's result as results of two layers (GEGLU).

    It saves copies, and the plugin merges GELU with its layer.
    """
    ops, result = openvino().opset13, split.input_value(0)
    if _kind(result) != "Add" or len(result.get_target_inputs()) > 1:
        return
    product, bias = result.get_node().input_values()
    if _kind(product) != "MatMul" or _kind(bias) != "Constant":
        return
    x, weights = product.get_node().input_values()
    if _kind(weights) != "Constant" or len(product.get_target_inputs()) > 1:
        return
    transposed = product.get_node().get_attributes()
    size, shape = _shape(result)[-1:], _shape(weights)
    halves = [_shape(output)[-1:] for output in split.outputs()]
    if not transposed["transpose_b"] or len(shape) != 2 or _shape(bias)[-1:] != size:
        return
    if halves != [[size[0] // 2]] * 2:
        return
    parts = zip(ops.split(weights, 0, 2).outputs(), ops.split(bias, -1, 2).outputs(), strict=True)
    for output, (weight, offset) in zip(split.outputs(), parts, strict=True):
        part = ops.matmul(x, weight, transposed["transpose_a"], True)
        output.replace(ops.add(part, offset).output(0))
