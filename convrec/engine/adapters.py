"""LoraAdapters: the LoRA versions attached to one transformers model, through PEFT. Owns no forward pass.

Everything here runs on the thread that owns the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from convrec.engine.base import AdapterRef
from convrec.errors import EngineError, NotFoundError


@dataclass(slots=True)
class Loaded:
    """One attached adapter and how many generations are on it."""

    path: Path
    key: str
    """PEFT's own name for it: it may hold no dot, and is never used twice."""
    users: int = 0
    forgotten: bool = False


class LoraAdapters:
    """Loads, switches and forgets adapters; one is active at a time, or none.

    Args:
        model: A transformers model.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._peft: Any = None
        self._loaded: dict[str, Loaded] = {}
        self._active: str | None = None
        self._numbers = count()

    def load(self, ref: AdapterRef) -> None:
        """Attach an adapter; the same ref again does nothing.

        Raises:
            EngineError: It cannot be read or does not fit, or the name stands for another path.
        """
        path = ref.path.resolve()
        known = self._loaded.get(ref.name)
        if known is not None:
            if known.path != path:
                raise EngineError(f"adapter {ref.name} is already loaded from {known.path}; names are used once")
            return
        if not (path / "adapter_config.json").is_file():
            raise EngineError(f"no adapter in {path}: adapter_config.json is missing")
        key = f"lora_{next(self._numbers)}"
        try:
            self._attach(path, key)
        except Exception as error:  # PEFT raises whatever the files make it trip over
            self._remove(key)
            raise EngineError(f"cannot load adapter {ref.name} from {path}: {error}") from error
        self._loaded[ref.name] = Loaded(path, key)

    def forget(self, name: str) -> None:
        """Make a name unknown; the weights go once no generation uses them.

        Raises:
            NotFoundError: It is not loaded.
        """
        loaded = self._find(name)
        del self._loaded[name]
        loaded.forgotten = True
        self._release(loaded)

    def acquire(self, name: str | None) -> Loaded | None:
        """Hold an adapter for a generation that takes several steps; None is the base model.

        Raises:
            NotFoundError: It is not loaded.
        """
        if name is None:
            return None
        loaded = self._find(name)
        loaded.users += 1
        return loaded

    def release(self, loaded: Loaded | None) -> None:
        """Let go of what `acquire` gave."""
        if loaded is not None:
            loaded.users -= 1
            self._release(loaded)

    def use(self, loaded: Loaded | None) -> None:
        """Make the next forward pass go through an adapter, or through the base model alone."""
        key = loaded.key if loaded is not None else None
        if key != self._active:
            self._activate(key)

    def _find(self, name: str) -> Loaded:
        try:
            return self._loaded[name]
        except KeyError:
            raise NotFoundError(f"adapter {name} is not loaded; load it first") from None

    def _release(self, loaded: Loaded) -> None:
        if loaded.forgotten and loaded.users == 0:
            self._remove(loaded.key)

    def _attach(self, path: Path, key: str) -> None:
        from peft import PeftConfig, PeftModel
        from peft.utils.save_and_load import load_peft_weights, set_peft_model_state_dict

        config = PeftConfig.from_pretrained(str(path))
        config.inference_mode = True
        if self._peft is None:
            self._peft = PeftModel(self._model, config, adapter_name=key)
        else:
            self._peft.add_adapter(key, config)
        self._activate(key)
        result = set_peft_model_state_dict(self._peft, load_peft_weights(str(path)), adapter_name=key)
        strangers = [name for name in result.missing_keys if f".{key}." in name] + list(result.unexpected_keys)
        if strangers:
            raise ValueError(f"it was not made for this model: {strangers[0]} has no counterpart")

    def _activate(self, key: str | None) -> None:
        if key is None:
            self._peft.base_model.disable_adapter_layers()
        else:
            self._peft.base_model.enable_adapter_layers()
            self._peft.base_model.set_adapter(key, inference_mode=True)
        self._active = key

    def _remove(self, key: str) -> None:
        if self._peft is None or key not in self._peft.peft_config:
            return
        # Nothing active while one goes: PEFT would choose another one, and say so in a warning.
        self._peft.base_model.set_adapter([])
        self._peft.delete_adapter(key)
        self._peft.base_model.disable_adapter_layers()
        self._active = None
