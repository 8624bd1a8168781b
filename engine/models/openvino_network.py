"""Networks that OpenVINO runs on a CPU, compiled for each shape of their inputs.

A network is recorded once by `torch.jit.trace` and converted with open shapes. For each shape that
is used, a copy with fixed shapes is compiled, for which OpenVINO chooses kernels and memory
beforehand. Results differ from torch's by rounding; they are the same in all runs, threads and
processes.

Calls that run at the same time share the cores. Those that have all of them (`all_cores`) use a
second copy with more threads, if there is time to compile it and that one has the same bits. In
bfloat16 it may differ for some inputs and not for others, so there is none.

The front end is called directly, because `openvino.convert_model` takes twice as long. torch keeps
some memory of each recording for good (11 MB of the starter's), so a network is recorded once and
not again after `clear`.
"""

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping
from concurrent.futures import Future
from enum import StrEnum
from functools import cache
from typing import Any, Final

import torch

from engine.device import Device
from engine.device.errors import is_out_of_memory
from engine.device.sysinfo import available_memory
from engine.models.openvino_copies import Inputs, Network, TwoCopies
from engine.models.openvino_package import openvino
from engine.models.openvino_rewrites import rewrite

MAX_SHAPES: Final = 24
"""Maximum number of compiled shapes of a network: those of eight picture sizes in three row
classes. The least recently used one is dropped. One of the starter's denoiser takes 20 to 50 MB."""
MEMORY_SHARE: Final = 0.5
"""The compiled shapes of a network may take this share of the free memory; each has its own copy of
the weights."""


class Precision(StrEnum):
    """The type of the numbers that are multiplied."""

    FLOAT32 = "f32"
    BFLOAT16 = "bf16"


TOLERANCE: Final = {Precision.FLOAT32: 1e-3, Precision.BFLOAT16: 0.05}
"""Largest difference from torch, relative to the largest value. Rounding gives 1e-5 and 5e-3."""
_SEED: Final = 23
_SCALES: Final = (0.1, 1.0, 10.0, 100.0)
"""Of the inputs for which two copies are compared."""
_ERRORS: Final = (RuntimeError, ImportError, AttributeError, TypeError, ValueError)
"""Raised for networks that OpenVINO cannot convert, and by other versions of it."""
_recording: Final = threading.Lock()
"""Held while a network is recorded: torch keeps the state of a recording in global variables."""
_reshaping: Final = threading.Lock()
"""Held while the copies of a converted network, which share their weights, are made."""
log = logging.getLogger(__name__)

_Key = tuple[tuple[str, torch.Size], ...]


class _NotCompiled(RuntimeError):
    """OpenVINO has converted a network, and cannot compile it."""


class OpenVinoNetwork:
    """Calls a network through OpenVINO. All inputs are float32. Thread-safe.

    A shape that cannot be converted is computed by torch, and so are all if none can be compiled.
    Once one was compiled, others fail only for lack of memory, which raises MemoryError: a call
    that has memory again must not have other bits.
    """

    def __init__(
        self, module: torch.nn.Module, network: Network, device: Device, streams: int = 1
    ) -> None:
        """`network` calls `module`, which has all its weights. `streams` is the number of calls at
        the same time, each with the device's number of threads."""
        self._module = module
        self._network = network
        self._device = device
        self._streams = streams
        self._set_precision(Precision.FLOAT32)
        self._recorder = self
        """The network whose results show whether what is recorded is right."""
        self._converted: list[Any] = []
        """With open shapes: one, and another if some shapes take another path through Python."""
        self._shapes: OrderedDict[_Key, Future[Network]] = OrderedDict()
        """Those that are compiled, or that a thread compiles."""
        self._shapes_lock = threading.Lock()
        self._converting = threading.Lock()
        """Held while `_converted` grows."""
        self._has_compiled = False

    def _set_precision(self, precision: Precision) -> None:
        threads, streams = self._device.threads, self._streams
        self._precision = precision
        self._shared = _properties(threads, streams, precision)
        has_copy = streams > 1 and precision is Precision.FLOAT32
        self._alone = _properties(threads * streams, 1, precision) if has_copy else None

    def in_bfloat16(self) -> "OpenVinoNetwork":
        """The same network with its own compiled shapes; what is recorded is shared."""
        other = OpenVinoNetwork(self._module, self._network, self._device, self._streams)
        other._converted, other._converting = self._converted, self._converting
        other._recorder = self
        other._set_precision(Precision.BFLOAT16)
        return other

    def __call__(self, inputs: Inputs) -> torch.Tensor:
        """What the network returns, up to rounding."""
        return self._compiled_for(inputs)(inputs)

    def is_compiled(self, inputs: Inputs) -> bool:
        """Whether OpenVINO computes inputs of these shapes."""
        with self._shapes_lock:
            shape = self._shapes.get(_key(inputs))
        return shape is not None and shape.done() and shape.result() is not self._network

    def compile_for_all_cores(self, inputs: Inputs) -> None:
        """Compile what calls with inputs of these shapes use that have all cores."""
        compiled = self._compiled_for(inputs)
        if isinstance(compiled, TwoCopies):
            compiled.compile_alone()

    def prove(self, inputs: Inputs) -> bool:
        """Whether OpenVINO can compute inputs of these shapes with torch's results, and there is
        memory for it."""
        try:
            if self._max_shapes() == 0 or self._compiled_for(inputs) is self._network:
                return False
            examples = _examples(inputs)
            return self._is_close(self(examples), self._network(examples))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            return False

    def clear(self) -> None:
        """Drop all compiled shapes; none may be in use."""
        with self._shapes_lock:
            self._shapes.clear()

    def _compiled_for(self, inputs: Inputs) -> Network:
        key = _key(inputs)
        with self._shapes_lock:
            shape = self._shapes.get(key)
            is_new = shape is None
            if shape is None:
                self._make_room()
                shape = self._shapes[key] = Future()
            self._shapes.move_to_end(key)
        if is_new:  # other threads wait for this one
            try:
                shape.set_result(self._compile(inputs))
            except BaseException as error:
                with self._shapes_lock:
                    self._shapes.pop(key, None)
                shape.set_exception(error)
                raise
        return shape.result()

    def _make_room(self) -> None:
        limit = max(1, self._max_shapes())
        while len(self._shapes) >= limit:
            self._shapes.popitem(last=False)

    def _max_shapes(self) -> int:
        free = available_memory()
        if free is None:
            return MAX_SHAPES
        weights = sum(tensor.nbytes for tensor in self._module.parameters())
        if self._alone is not None:
            weights *= 2
        used = len(self._shapes) * weights
        return min(MAX_SHAPES, int((free + used) * MEMORY_SHARE / max(1, weights)))

    @torch.inference_mode(mode=False)
    @torch.no_grad()
    def _compile(self, inputs: Inputs) -> Network:
        """The compiled network, or the network itself if that is impossible."""
        examples = _examples(inputs)
        try:
            compiled = self._compile_converted(examples)
            if compiled is None:
                with self._converting:
                    compiled = self._compile_converted(examples) or self._record(examples)
            if compiled is not None:
                self._has_compiled = True
                return compiled
        except _ERRORS as error:
            shapes = {name: tuple(tensor.shape) for name, tensor in inputs.items()}
            is_known = self._has_compiled and isinstance(error, _NotCompiled)
            if is_known or is_out_of_memory(error):
                log.warning(
                    "there is too little memory for OpenVINO to run inputs of %s; torch, which "
                    "IMAGINE_CPU_BACKEND=torch chooses, may need less",
                    shapes,
                )
                raise MemoryError(str(error)) from error
            log.warning("OpenVINO cannot run inputs of %s; torch does", shapes, exc_info=error)
        return self._network

    def _compile_converted(self, examples: Inputs) -> Network | None:
        for model in self._converted:
            compiled = self._compile_model(model, examples)
            if compiled is not None:
                return compiled
        return None

    def _record(self, examples: Inputs) -> Network | None:
        recorded = self._recorder._convert(examples)
        return recorded if self._recorder is self else self._compile_converted(examples)

    def _convert(self, examples: Inputs) -> Network:
        """Raises ValueError if its results are not those of torch."""
        model = _convert(self._module, self._network, examples)
        compiled = self._compile_model(model, examples)
        expected = self._network(examples)
        if compiled is None or not self._is_close(compiled(examples), expected):
            raise ValueError("the results are not those of torch")
        self._converted.append(model)
        return compiled

    def _is_close(self, output: torch.Tensor, expected: torch.Tensor) -> bool:
        if output.shape != expected.shape or not torch.isfinite(output).all():
            return False
        limit = TOLERANCE[self._precision] * expected.abs().max()
        return bool((output - expected).abs().max() <= limit)

    def _compile_model(self, model: Any, examples: Inputs) -> Network | None:  # noqa: ANN401
        """A converted model compiled for these shapes; None if its recording does not allow them.

        With all cores, it uses them if that changes no bit.
        """
        shared, properties = _compile(model, examples, self._shared), self._alone
        if shared is None or properties is None:
            return shared

        def compile_alone() -> Network:
            try:
                alone = _compile(model, examples, properties)
                trials = [_examples(examples, scale) for scale in _SCALES]
                if alone and all(torch.equal(alone(trial), shared(trial)) for trial in trials):
                    return alone
            except (*_ERRORS, MemoryError):
                log.warning("OpenVINO cannot use all cores for a pass", exc_info=True)
            return shared

        return TwoCopies(shared, compile_alone)


def version() -> str:
    """OpenVINO's version, such as `2026.4.1`."""
    return str(openvino().__version__).partition("-")[0]


class _Request:
    """An inference request, with views of the memory of its inputs and its output.

    Copying the inputs there takes less time than OpenVINO's Python API takes to share them.
    """

    @torch.inference_mode(mode=False)  # so that calls in other modes may change the views
    def __init__(self, compiled: Any) -> None:  # noqa: ANN401 - openvino has no types for mypy
        self._request = compiled.create_infer_request()
        self._inputs = [
            torch.from_numpy(self._request.get_input_tensor(nth).data)
            for nth in range(len(compiled.inputs))
        ]
        self._output = torch.from_numpy(self._request.get_output_tensor(0).data)

    def __call__(self, inputs: Inputs) -> torch.Tensor:
        for view, tensor in zip(self._inputs, inputs.values(), strict=True):
            view.copy_(tensor)
        self._request.infer(share_outputs=True)
        return self._output.clone()


class _CompiledShape:
    """A network compiled for one shape. Each thread that calls it uses a request of its own."""

    def __init__(self, compiled: Any) -> None:  # noqa: ANN401 - openvino has no types for mypy
        self._compiled = compiled
        self._requests: deque[_Request] = deque()

    def __call__(self, inputs: Inputs) -> torch.Tensor:
        try:
            request = self._requests.pop()
        except IndexError:
            request = _Request(self._compiled)
        output = request(inputs)
        self._requests.append(request)
        return output


class _Recorded(torch.nn.Module):
    """A network with positional inputs, as `torch.jit.trace` needs it.

    It has the weights of the module, but not its submodules: torch would create a TorchScript class
    for each of them, which takes longer than the recording.
    """

    def __init__(self, module: torch.nn.Module, network: Network, names: tuple[str, ...]) -> None:
        super().__init__()
        self._network = network
        self._names = names
        for nth, parameter in enumerate(module.parameters()):
            self.register_parameter(f"parameter{nth}", parameter)
        for nth, buffer in enumerate(module.buffers()):
            self.register_buffer(f"buffer{nth}", buffer)

    def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
        return self._network(dict(zip(self._names, tensors, strict=True)))


@cache
def _core() -> Any:  # noqa: ANN401 - openvino has no types for mypy
    return openvino().Core()


def has_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _properties(threads: int, streams: int, precision: Precision) -> dict[str, object]:
    """Settings of the CPU plugin: this precision, the same kernels in all runs, and no thread bound
    to a core."""
    return {
        "NUM_STREAMS": str(streams),
        "INFERENCE_NUM_THREADS": threads * streams,
        "INFERENCE_PRECISION_HINT": precision.value,
        "EXECUTION_MODE_HINT": "ACCURACY",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        "ENABLE_CPU_PINNING": False,
        "ENABLE_HYPER_THREADING": True,
        "SCHEDULING_CORE_TYPE": "ANY_CORE",
    }


def _convert(module: torch.nn.Module, network: Network, examples: Inputs) -> Any:  # noqa: ANN401
    front_ends = openvino().frontend.FrontEndManager()
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    tensors = tuple(examples.values())
    recorded = _Recorded(module, network, tuple(examples)).eval()
    with _recording:
        trace = torch.jit.trace(recorded, tensors, check_trace=False, strict=False)
        decoder = TorchScriptPythonDecoder(trace, example_input=tensors)
        front_end = front_ends.load_by_framework("pytorch")
        return front_end.convert(front_end.load(decoder))


def _compile(
    model: Any,  # noqa: ANN401 - openvino has no types for mypy
    examples: Inputs,
    properties: Mapping[str, object],
) -> "_CompiledShape | None":
    """The model compiled for these shapes; None if its recording does not allow them.

    Raises _NotCompiled; OpenVINO's errors do not say whether memory is the cause.
    """
    with _reshaping:
        fixed = model.clone()
        shapes = [list(tensor.shape) for tensor in examples.values()]
        try:
            fixed.reshape(dict(zip(fixed.inputs, shapes, strict=True)))
        except RuntimeError:
            return None
        if properties["INFERENCE_PRECISION_HINT"] == Precision.FLOAT32:
            rewrite(fixed)
    try:
        return _CompiledShape(_core().compile_model(fixed, "CPU", dict(properties)))
    except RuntimeError as error:
        raise _NotCompiled(str(error)) from error


def _examples(inputs: Inputs, scale: float = 1.0) -> dict[str, torch.Tensor]:
    """Random tensors of these shapes and this standard deviation, the same each time."""
    generator = torch.Generator("cpu").manual_seed(_SEED)
    return {
        name: scale * torch.randn(tensor.shape, generator=generator)
        for name, tensor in inputs.items()
    }


def _key(inputs: Inputs) -> _Key:
    return tuple((name, tensor.shape) for name, tensor in inputs.items())
