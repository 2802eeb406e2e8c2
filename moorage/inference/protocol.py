"""The V1 protocol: what a request's body holds, what an answer's body holds, and how any value becomes JSON (pure)."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from enum import Enum
from typing import Any, Final

from moorage.errors import CallerError

# On every answer: which revision gave it, and the digests of the files that it was made from.
REVISION_HEADER: Final = "moorage-revision"
MODEL_DIGEST_HEADER: Final = "moorage-model-digest"
ARTIFACT_DIGEST_HEADER: Final = "moorage-artifact-digest"
# Under which id an exchange was logged, where it was.
INFERENCE_ID_HEADER: Final = "moorage-inference-id"
DIGEST_HEADERS: Final = (REVISION_HEADER, MODEL_DIGEST_HEADER, ARTIFACT_DIGEST_HEADER)

# What fits a 64-bit register, signed or not: the range of the fast JSON encoders and of most readers.
_SMALLEST: Final = -(2**63)
_LARGEST: Final = 2**64 - 1


def predict_path(name: str) -> str:
    """Where a model deployment answers predictions."""
    return f"{model_path(name)}:predict"


def model_path(name: str) -> str:
    """Where a model deployment says whether it is ready."""
    return f"/v1/models/{name}"


def request_body(*, inputs: Any = None, data: Any = None) -> dict[str, Any]:
    """The body that asks for predictions; give exactly one of the two.

    Args:
        inputs: rows (a list of lists or of dicts), one row (a list with any scalar in it), or one dict.
        data: a whole body with `instances` or `inputs`, sent as it is, its other keys too.

    Raises:
        CallerError: neither or both are given, or the value is not of such a shape.
    """
    if (inputs is None) == (data is None):
        raise CallerError(
            f"{'Neither inputs nor data' if inputs is None else 'Both inputs and data'} were given.",
            "Expected exactly one of them.",
            "Give rows as inputs=[[…]], or a whole body as data={'instances': [[…]]}.",
        )
    return _body_around(inputs) if data is None else _checked_body(data)


def inputs_of(body: Any) -> Any:
    """What `predict` is given of a request's body: the value of `instances`, else of `inputs`."""
    for key in ("instances", "inputs"):
        if isinstance(body, Mapping) and key in body:
            return body[key]
    raise CallerError(
        f"The request's body has neither 'instances' nor 'inputs': it {_described(body)}.",
        "Expected a JSON object with one of them.",
        'Send {"instances": [[…]]}.',
    )


def answer_body(result: Any) -> dict[str, Any]:
    """The body that carries what `predict` returned, as plain JSON values.

    A dict that already has the key `predictions` is the body; anything else becomes the value of that key.

    Raises:
        CallerError: something in it cannot be said in JSON; the message says where.
    """
    body = result if isinstance(result, Mapping) and "predictions" in result else {"predictions": result}
    plain: dict[str, Any] = jsonable(body)
    return plain


def predictions_of(answer: Any) -> Any:
    """The predictions in an answer's body."""
    # TensorFlow Serving answers `inputs` by `outputs`: https://www.tensorflow.org/tfx/serving/api_rest
    for key in ("predictions", "outputs"):
        if isinstance(answer, Mapping) and key in answer:
            return answer[key]
    raise CallerError(
        f"The answer has no 'predictions': it {_described(answer)}.",
        'Expected {"predictions": …}.',
        "Look at the deployment's logs: something other than its model server may have answered.",
    )


def error_in(answer: Any) -> str | None:
    """What an answer that is an error says: as KServe and TensorFlow Serving say it, or as OpenAI's API does."""
    error = answer.get("error", answer.get("message")) if isinstance(answer, Mapping) else None
    if isinstance(error, Mapping):
        error = error.get("message")
    return None if error is None else str(error)


def jsonable(value: Any) -> Any:
    """The value in JSON's own types, all of it new.

    NumPy, pandas and other arrays become lists, a DataFrame a list of records, sets and tuples lists, dates ISO 8601,
    bytes base64, enums their value.

    Raises:
        CallerError: NaN, an infinity, an integer of more than 64 bits or a type that JSON has no word for.
    """
    try:
        return _plain(value)
    except _NotJsonError as exc:
        raise CallerError(
            f"The answer cannot be sent as JSON: {exc.path or 'it'} is {exc.found}.", exc.expected, exc.mend
        ) from None


class _NotJsonError(Exception):
    """Something below has no JSON; each level puts its own step before the path while it passes."""

    def __init__(self, found: str, expected: str, mend: str) -> None:
        super().__init__(found)
        self.found = found
        self.expected = expected
        self.mend = mend
        self.path = ""

    def under(self, step: str) -> _NotJsonError:
        rest = f".{self.path}" if self.path and not self.path.startswith("[") else self.path
        self.path = step + rest
        return self


def _body_around(inputs: Any) -> dict[str, Any]:
    if isinstance(inputs, Mapping):
        return {"instances": [[inputs]]}
    if not _is_row(inputs) or not inputs:
        raise CallerError(
            f"The inputs cannot be sent: inputs {_described(inputs)}.",
            "Expected a list of rows, one row, or one dict; not empty.",
            "Give inputs=[[5.1, 3.5]], inputs=[{'sepal': 5.1}], inputs=[5.1, 3.5] or inputs={'sepal': 5.1}.",
        )
    rows = all(_is_row(item) or isinstance(item, Mapping) for item in inputs)
    return {"instances": inputs if rows else [inputs]}


def _checked_body(data: Any) -> dict[str, Any]:
    if not isinstance(data, Mapping) or not ("instances" in data or "inputs" in data):
        found = f"data {_described(data)}"
    else:
        key = "instances" if "instances" in data else "inputs"
        rows = data[key]
        if _is_row(rows) and rows and (_is_row(rows[0]) or isinstance(rows[0], Mapping)) and rows[0]:
            return dict(data)
        found = f"{key} {_described(rows)}"
        if _is_row(rows) and rows:
            found += f" whose first item {_described(rows[0])}"
    raise CallerError(
        f"The data cannot be sent as a body: {found}.",
        "Expected 'instances' or 'inputs' with a list that is not empty, of lists or dicts that are not empty.",
        "Give data={'instances': [[5.1, 3.5]]}.",
    )


def _is_row(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _described(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"has the keys {', '.join(map(repr, value))}" if value else "is an empty dict"
    if isinstance(value, Sequence) and not value:
        return f"is an empty {type(value).__name__}"
    return f"is {'an' if type(value).__name__[0] in 'aeiou' else 'a'} {type(value).__name__}"


def _plain(value: Any) -> Any:
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is float:
        return _finite(value)
    if kind is int:
        return _of_64_bits(value)
    if kind is str:
        return _encodable(value)
    if kind is list or kind is tuple:
        return _items(value)
    if kind is dict:
        return _members(value)
    return _foreign(value)


def _finite(value: float) -> float:
    if math.isfinite(value):
        return value
    raise _NotJsonError(
        str(value), "JSON has no NaN and no infinity.", "Return None, or another number, where there is no value."
    )


def _of_64_bits(value: int) -> int:
    if _SMALLEST <= value <= _LARGEST:
        return value
    raise _NotJsonError("an integer of more than 64 bits", "Most readers of JSON hold 64.", "Return it as text.")


def _encodable(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        mend = "Decode the text with errors='replace' where it is read."
        raise _NotJsonError("text with half a surrogate pair", "JSON is UTF-8.", mend) from None
    return value


def _items(values: Sequence[Any]) -> list[Any]:
    plain = []
    for item in values:
        try:
            plain.append(_plain(item))
        except _NotJsonError as exc:
            raise exc.under(f"[{len(plain)}]") from None
    return plain


def _members(values: Mapping[Any, Any]) -> dict[str, Any]:
    plain = {}
    for key, item in values.items():
        try:
            plain[_key(key)] = _plain(item)
        except _NotJsonError as exc:
            raise exc.under(str(key)) from None
    return plain


def _key(key: Any) -> str:
    """As `json.dumps` names keys, and numbers of any library."""
    if type(key) is str:
        return _encodable(key)
    plain = _plain(key)
    if isinstance(plain, str):
        return plain
    if plain is None or isinstance(plain, bool):
        return {None: "null", True: "true", False: "false"}[plain]
    if isinstance(plain, int | float):
        return str(plain)
    raise _NotJsonError(f"named by a {type(key).__name__}", "JSON names members by text.", "Use text as keys.")


def _foreign(value: Any) -> Any:
    """Types that are not JSON's own; NumPy, pandas and their like are known by what they can do, never imported."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if _is_not_a_time(value):
        raise _NotJsonError("NaT", "JSON has no time that is none.", "Return None where there is no value.")
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode("ascii")
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return _items(value.to_dict(orient="records"))
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return _array(value)
    if isinstance(value, set | frozenset):
        return _items(list(value))
    return _subclass(value)


def _is_not_a_time(value: Any) -> bool:
    return type(value).__name__ == "NaTType" or (type(value).__name__ == "datetime64" and str(value) == "NaT")


def _array(value: Any) -> Any:
    """An array, a column or a scalar of some library, by its own conversion to Python's types."""
    kind = getattr(value.dtype, "kind", "")
    if kind == "M" and not hasattr(value, "iloc"):
        # in nanoseconds, NumPy's own conversion yields bare integers
        return _plain(value.astype("datetime64[us]").tolist())
    plain = value.tolist()
    if type(plain) is type(value):
        raise _unknown(value)
    return _plain(plain)


def _subclass(value: Any) -> Any:
    if isinstance(value, str):
        return _encodable(str(value))
    if isinstance(value, int):
        return _of_64_bits(int(value))
    if isinstance(value, float):
        return _finite(float(value))
    if isinstance(value, Mapping):
        return _members(value)
    if isinstance(value, list | tuple):
        return _items(value)
    raise _unknown(value)


def _unknown(value: Any) -> _NotJsonError:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return _NotJsonError(
        f"of type {name}",
        "Expected numbers, text, lists and dicts, or arrays and data frames of them.",
        "Convert it in predict before it is returned.",
    )
