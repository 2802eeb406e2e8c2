"""A user's predictor, loaded and ready to answer; and a transformer around whatever answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from moorage.errors import CallerError
from moorage.inference.protocol import answer_body, inputs_of, jsonable, predictions_of
from moorage.runtime.script_class import ScriptClass


class Answers(Protocol):
    """What answers requests.

    Attributes:
        class_name: as the script calls it.
        file: the script's file name.
    """

    @property
    def class_name(self) -> str: ...

    @property
    def file(self) -> str: ...

    async def answer(self, body: Any) -> dict[str, Any]:
        """The body of the answer to a request's body; raises CallerError for one that holds nothing to predict from."""
        ...


@dataclass(frozen=True)
class _Scripted:
    """What answers by the class of a script."""

    scripted: ScriptClass

    @property
    def class_name(self) -> str:
        return self.scripted.class_name

    @property
    def file(self) -> str:
        return self.scripted.file


@dataclass(frozen=True)
class LoadedPredictor(_Scripted):
    """The class of a predictor script."""

    @property
    def is_async(self) -> bool:
        """Whether `predict` is awaited on the event loop."""
        return "predict" in self.scripted.awaited

    async def answer(self, body: Any) -> dict[str, Any]:
        """The body of the answer to a request's body.

        `predict` may change what it is given: hand over a body that nobody else uses.

        Raises:
            CallerError: the body holds nothing to predict from.
            PredictorScriptError: `predict` raised, called `sys.exit`, or returned what JSON cannot say.
        """
        return await self.scripted.call("predict", inputs_of(body), answer_body)


@dataclass(frozen=True)
class Transformed(_Scripted):
    """A predictor behind the class of a transformer script: bodies pass through it on their way there and back.

    Attributes:
        asked: the predictor itself, or whoever asks the one of another component.
    """

    asked: Answers

    async def answer(self, body: Any) -> dict[str, Any]:
        """The body of the answer to a request's body: preprocess, predict, postprocess.

        Raises:
            CallerError: the body holds nothing to predict from.
            PredictorScriptError: a method raised, called `sys.exit`, or returned what cannot be sent on.
        """
        inputs_of(body)
        answered = await self.asked.answer(await self.transformed(body))
        if not self.scripted.has("postprocess"):
            return answered
        return await self.scripted.call("postprocess", predictions_of(answered), answer_body)

    async def transformed(self, body: Any) -> Any:
        """What the predictor is asked; raises PredictorScriptError likewise."""
        return await self.scripted.call("preprocess", body, _asked) if self.scripted.has("preprocess") else body


@dataclass(frozen=True)
class BeforePredicting:
    """A transformer as far as it can be proven without its predictor: that something can be asked."""

    transformed: Transformed

    @property
    def class_name(self) -> str:
        return self.transformed.class_name

    @property
    def file(self) -> str:
        return self.transformed.file

    async def answer(self, body: Any) -> dict[str, Any]:
        """Nothing; raises what `Transformed.transformed` raises."""
        await self.transformed.transformed(body)
        return {"predictions": None}


def _asked(result: Any) -> Any:
    """The body that a predictor is asked with; a bare list is what it holds."""
    if isinstance(result, list | tuple):
        result = {"instances": result}
    plain = jsonable(result)
    if not isinstance(plain, Mapping) or not {"instances", "inputs"} & plain.keys():
        raise CallerError(
            f"preprocess returned {type(result).__name__}, which no predictor can be asked with.",
            'Expected a body such as {"instances": [[…]]}, or a list of rows.',
            "Return one.",
        )
    return plain
