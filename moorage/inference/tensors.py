"""What a deployment that speaks gRPC is asked with and answers: named tensors of the V2 protocol (pure).

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from moorage.errors import CallerError

if TYPE_CHECKING:
    import numpy as np

# By datatype: the field of a message's contents, and NumPy's letters. Of FP16 there is only the raw form.
_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "BOOL": ("bool_contents", "?"),
    "INT8": ("int_contents", "<i1"),
    "INT16": ("int_contents", "<i2"),
    "INT32": ("int_contents", "<i4"),
    "INT64": ("int64_contents", "<i8"),
    "UINT8": ("uint_contents", "<u1"),
    "UINT16": ("uint_contents", "<u2"),
    "UINT32": ("uint_contents", "<u4"),
    "UINT64": ("uint64_contents", "<u8"),
    "FP16": ("", "<f2"),
    "FP32": ("fp32_contents", "<f4"),
    "FP64": ("fp64_contents", "<f8"),
    "BYTES": ("bytes_contents", "O"),
}
# What a dict has that says a tensor.
_KEYS: Final = frozenset({"name", "shape", "datatype"})
_LENGTH: Final = struct.Struct("<I")


@dataclass(frozen=True)
class InferInput:
    """A named tensor to ask with.

    Attributes:
        shape: how many elements there are along each axis.
        datatype: BOOL, INT8 to INT64, UINT8 to UINT64, FP16 to FP64, or BYTES, which text is too.
        data: its elements: a list, nested or flat, or a NumPy array, which is sent as its bytes.
        parameters: text, numbers or booleans that go with it.
    """

    name: str
    shape: Sequence[int]
    datatype: str
    data: Any = None
    parameters: Mapping[str, bool | int | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.datatype not in _KINDS:
            raise CallerError(
                f"Input {self.name!r} has datatype {self.datatype!r}.", f"There are {', '.join(_KINDS)}.", "Name one."
            )
        kind = getattr(self.data, "dtype", None)
        if kind is not None and self.datatype != "BYTES" and kind.newbyteorder("<").str.lstrip("|<") != self._letters:
            raise CallerError(
                f"Input {self.name!r} is an array of {kind}, and its datatype {self.datatype}.",
                "They are the same type.",
                "Convert one: data.astype(…).",
            )
        count, wanted = len(self.elements), math.prod(self.shape)
        if count != wanted:
            raise CallerError(
                f"Input {self.name!r} has {count} elements, and shape {list(self.shape)} holds {wanted}.",
                "They are as many.",
                "Mend the shape.",
            )

    @property
    def elements(self) -> list[Any]:
        """All of them in one list, row by row."""
        plain = self.data.tolist() if hasattr(self.data, "tolist") else self.data
        return list(_flat(plain))

    @property
    def is_raw(self) -> bool:
        """Whether its bytes are sent instead of its elements."""
        return hasattr(self.data, "dtype") or self.datatype == "FP16"

    @property
    def _letters(self) -> str:
        return _KINDS[self.datatype][1].lstrip("<")


@dataclass(frozen=True)
class InferOutput:
    """A named tensor that was answered.

    Attributes:
        data: its elements in one list, row by row.
    """

    name: str
    shape: tuple[int, ...]
    datatype: str
    data: list[Any]

    def as_numpy(self) -> np.ndarray[Any, Any]:
        """The same as an array of its shape and type; of BYTES, of objects."""
        import numpy as np

        return np.array(self.data, dtype=_KINDS[self.datatype][1]).reshape(self.shape)


def tensors_in(data: Any, inputs: Any) -> list[InferInput] | None:
    """The tensors that a deployment is asked with; None where it is asked with a body, or rows.

    What was given stays as it is.

    Args:
        data: a list of InferInput objects, or anything else.
        inputs: a dict with name, shape, datatype and data, a list of them, or anything else.

    Raises:
        CallerError: some are tensors and some are not, or one says of itself what is not so.
    """
    given = data if inputs is None else [inputs] if isinstance(inputs, Mapping) else inputs
    if not isinstance(given, list | tuple) or not any(map(_is_tensor, given)):
        return None
    if not all(map(_is_tensor, given)):
        raise CallerError(
            "The deployment was asked with tensors and something else together.",
            "Expected InferInput objects as data, or dicts with name, shape, datatype and data as inputs.",
            "Give data=[moorage.InferInput('rows', [1, 4], 'FP64', [5.1, 3.5, 1.4, 0.2])].",
        )
    return [each if isinstance(each, InferInput) else _from_dict(each) for each in given]


def _is_tensor(given: Any) -> bool:
    return isinstance(given, InferInput) or (isinstance(given, Mapping) and given.keys() >= _KEYS)


def contents_field(datatype: str) -> str:
    """Where a message has the elements of this datatype; empty where only its bytes are sent."""
    return _KINDS[datatype][0]


def as_elements(tensor: InferInput) -> list[Any]:
    """The elements as a message takes them: text as UTF-8."""
    if tensor.datatype != "BYTES":
        return tensor.elements
    return [each.encode() if isinstance(each, str) else bytes(each) for each in tensor.elements]


def as_bytes(tensor: InferInput) -> bytes:
    """The same in the raw form: least byte first; text and bytes with their length before them."""
    if tensor.datatype == "BYTES":
        return b"".join(_LENGTH.pack(len(each)) + each for each in as_elements(tensor))
    import numpy as np

    return np.array(tensor.elements, dtype=_KINDS[tensor.datatype][1]).tobytes()


def from_bytes(datatype: str, raw: bytes) -> list[Any]:
    """The elements of the raw form."""
    if datatype != "BYTES":
        import numpy as np

        plain: list[Any] = np.frombuffer(raw, dtype=_KINDS[datatype][1]).tolist()
        return plain
    found, at = [], 0
    while at < len(raw):
        (length,) = _LENGTH.unpack_from(raw, at)
        at += _LENGTH.size
        found.append(raw[at : at + length])
        at += length
    return found


def _from_dict(given: Mapping[str, Any]) -> InferInput:
    try:
        return InferInput(**given)
    except TypeError as exc:
        raise CallerError(
            f"A tensor was given with the keys {', '.join(map(str, given))}.",
            "Expected name, shape, datatype, data, and parameters where there are some.",
            "Mend its keys.",
        ) from exc


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _flat(each)
    elif value is not None:
        yield value
