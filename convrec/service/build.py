"""Builds what the service is made of from Settings: the only place that knows which class fills which seam."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine as Database

from convrec.data.catalogue import Catalogue, CatalogueStore
from convrec.data.sources import EMBEDDER, LANGUAGE_MODEL
from convrec.database import open_database
from convrec.dialogue.evidence import EvidenceFinder
from convrec.dialogue.fusing import Fusion
from convrec.dialogue.judging import learned_kinds
from convrec.dialogue.questions import QuestionPrompts
from convrec.dialogue.reply import Mode, ReplyWriter
from convrec.dialogue.tongues import Tongues
from convrec.dialogue.understanding import Understanding
from convrec.dialogue.wishes import learned_wishes
from convrec.engine.base import Engine
from convrec.engine.size import parameters
from convrec.errors import ConvRecError, DataError, IndexUnavailableError, SettingsError
from convrec.ledger.ledger import Ledger
from convrec.progress import Progress, silent
from convrec.prompting import Prompts, load_domain
from convrec.ranking.blend import Blend, load_blend, save_blend
from convrec.ranking.breaker import Breaker
from convrec.ranking.calibration import CalibrationConfig, calibrate
from convrec.ranking.interest import Interest
from convrec.ranking.ranker import BlendRanker, RankingVersion
from convrec.retrieval.base import Embedder
from convrec.retrieval.hybrid import HybridConfig, HybridRetriever, hybrid_config
from convrec.retrieval.index import Index, IndexMeta, build_index, index_holder, index_status, open_index
from convrec.retrieval.multilingual import MULTILINGUAL, MultilingualEmbedder
from convrec.service.erase import Erased, erase
from convrec.service.keys import KeyStore
from convrec.service.listening import Ear, Listener
from convrec.service.recommender import Recommender
from convrec.service.steps import Steps
from convrec.settings import Settings
from convrec.training.base_model import require_fit
from convrec.training.registry import AdapterVersion, Registry
from convrec.training.screening import ScreeningConfig, screen

_WRITES = 3e9
"""From so many parameters on a model is taken to write sentences of which the checker keeps most, and to read."""
READS = "understanding"
"""Name of the adapters that answer questions about messages; none of them ever ranks."""


class Workshop:
    """What an operator's settings stand for, opened when first asked for.

    Args:
        settings: Of this process.
        pinned: task -> version of the prompts that are not the latest.

    Raises:
        LedgerError: The database cannot be opened (from the properties).
    """

    def __init__(self, settings: Settings, pinned: Mapping[str, int] | None = None) -> None:
        self.settings = settings
        self._pinned = pinned or {}

    def elsewhere(self, data_dir: Path, pinned: Mapping[str, int] | None = None) -> Workshop:
        """The same models and settings over another data folder, with a ledger of its own; `pinned` as above."""
        moved = {
            "data_dir": data_dir,
            "database_url": None,
            "model": self.model,
            "embedder": self._model(self.settings.embedder, EMBEDDER, "embedder"),
            "domain": None,
        }
        return Workshop(self.settings.model_copy(update=moved), pinned)

    @cached_property
    def database(self) -> Database:
        """What ledger and catalogue are kept in."""
        return open_database(self.settings.url)

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger."""
        return Ledger(self.database)

    @cached_property
    def keys(self) -> KeyStore:
        """The API keys."""
        return KeyStore(self.database)

    @cached_property
    def store(self) -> CatalogueStore:
        """Where the catalogue is kept."""
        return CatalogueStore(self.database)

    @cached_property
    def prompts(self) -> Prompts:
        """The prompt templates."""
        return Prompts(self.settings.prompts_dir, self._pinned)

    @cached_property
    def embedder(self) -> Embedder:
        """The text embedder.

        Raises:
            SettingsError: There is none.
        """
        from convrec.retrieval.embedding import SentenceEmbedder

        if self.settings.embedder == MULTILINGUAL:
            return MultilingualEmbedder()
        return SentenceEmbedder(self._model(self.settings.embedder, EMBEDDER, "embedder"))

    @cached_property
    def hybrid(self) -> HybridConfig:
        """Weights of the retrieval score: those that the embedder was judged with, else the defaults.

        Raises:
            SettingsError: The embedder is a version that did not pass its gate.
        """
        return hybrid_config(self.settings.embedder)

    @property
    def model(self) -> str:
        """Folder or hub name of the language model.

        Raises:
            SettingsError: None is set and the demo's is not there.
        """
        return self._model(self.settings.model, LANGUAGE_MODEL, "model")

    @property
    def model_or_none(self) -> str | None:
        """The same; None where there is none."""
        try:
            return self.model
        except SettingsError:
            return None

    def catalogue(self) -> Catalogue:
        """The catalogue as it is now.

        Raises:
            DataError: Nothing was ingested yet.
        """
        name = self.settings.domain or self.store.domain_name
        if name is None:
            raise DataError("there is no catalogue yet; run: convrec ingest --catalogue FILE, or: convrec demo")
        return self.store.load(load_domain(self.settings.prompts_dir, name))

    def index(self, catalogue: Catalogue, progress: Progress = silent, earlier: Index | None = None) -> IndexMeta:
        """Rebuild both collections from the catalogue and the ledger; see build_index for `earlier`."""
        position = self.ledger.position()
        return build_index(
            self.settings.index_dir,
            catalogue,
            self.ledger.feedback(),
            self.embedder,
            progress=progress,
            ledger_position=position,
            earlier=earlier,
        )

    def left_out(self) -> dict[str, int]:
        """How much feedback of the ledger does not train, by reason; caps come with the training itself."""
        return screen(self.ledger.feedback(), self.ledger.impressions(), ScreeningConfig()).counts

    def erase(self, user_id: str) -> Erased:
        """Remove everything of a person; see erase.py."""
        return erase(user_id, self.ledger, self.registry, self.keys, self.settings)

    def index_is_current(self, catalogue: Catalogue) -> bool:
        """Whether there is an index of just this catalogue, and of nobody who was erased."""
        try:
            meta = index_status(self.settings.index_dir)
            erased = self.ledger.erased_position() > meta.ledger_position
            return meta.catalogue_fingerprint == catalogue.fingerprint and not erased
        except IndexUnavailableError:
            return False

    def open_index(self, catalogue: Catalogue, steps: Steps, url: str | None = None) -> Index:
        """Open the index, which this process then holds; build it first where it is missing, old or damaged.

        Args:
            url: Where this process serves.

        Raises:
            IndexUnavailableError: Another process holds it.
        """
        if self.index_is_current(catalogue):
            try:
                return open_index(self.settings.index_dir, self.embedder, url)
            except IndexUnavailableError as error:
                if index_holder(self.settings.index_dir) is not None:
                    raise
                steps.note(f"{error} (doing so now)")
        with steps.step("Building the index") as progress:
            self.index(catalogue, progress)
        return open_index(self.settings.index_dir, self.embedder, url)

    def require_fit(self, version: AdapterVersion, domain: str | None = None) -> None:
        """Refuse an adapter of another model, prompt or domain; see base_model.require_fit.

        Args:
            domain: Of what is ranked, where that is not the ingested catalogue.
        """
        served = domain or self.settings.domain or self.store.domain_name or ""
        require_fit(version.manifest, self.model, self.prompt, served)

    @property
    def prompt(self) -> str:
        """Name and hash of the ranking prompt."""
        prompt = self.prompts.load("rank")
        return f"{prompt.name}:{prompt.hash}"

    def interest(self, engine: Engine, catalogue: Catalogue) -> Interest:
        """f(u, i) by an engine."""
        return Interest(engine, self.prompts.load("rank"), catalogue)

    def listener(
        self, catalogue: Catalogue, engine: Engine | None = None, breaker: Breaker | None = None
    ) -> Listener:
        """What reads messages: rules, the judges (that of kinds with its embedder alone), and the language model.

        The model has a say where there is an adapter for it, or where it is large enough to do without one.
        """
        wishes = learned_wishes()
        try:
            judge = learned_kinds(self.embedder)
        except SettingsError:
            judge = None
        if engine is None or self.settings.understanding == "rules":
            return Listener(Understanding(catalogue, judge, wishes=wishes))
        prompts = QuestionPrompts(self.prompts.load("understand"), catalogue.domain)
        version = self._reads(prompts.name, catalogue.domain.name)
        if version is None and not self._is_large:
            return Listener(Understanding(catalogue, judge, wishes=wishes))
        fusion = Fusion(**version.manifest.fusion) if version and version.manifest.fusion else None
        adapter, patience_s = version.ref if version else None, self.settings.understanding_timeout_s
        ear = Ear(engine, prompts, adapter, Tongues(self.settings.prompts_dir), patience_s, breaker)
        return Listener(Understanding(catalogue, judge, fusion, wishes), ear)

    def _reads(self, prompt: str, domain: str) -> AdapterVersion | None:
        """The latest adapter that reads messages with this model, this prompt and of this domain."""
        for label in reversed(self.registry.labels()):
            if label.startswith(f"{READS}/"):
                try:
                    version = self.registry.get(label)
                    require_fit(version.manifest, self.model, prompt, domain)
                except (DataError, SettingsError):
                    continue
                return version
        return None

    async def fit_blend(self, catalogue: Catalogue, engine: Engine, progress: Progress = silent) -> Blend:
        """Fit the blend on held-out interactions with a started engine, and store it."""
        blend = await calibrate(
            self.ledger.feedback(),
            catalogue,
            self.interest(engine, catalogue),
            CalibrationConfig(candidates=self.settings.candidates),
            progress,
        )
        save_blend(blend, self.settings.blend_file)
        return blend

    @property
    def registry(self) -> Registry:
        """The adapter versions."""
        return Registry(self.settings.adapters_dir)

    async def version(self, engine: Engine, active: AdapterVersion | None) -> RankingVersion:
        """An adapter, loaded, and its blend; for None the base model and the blend that was fitted with it.

        Raises:
            DataError: The adapter is of another model or prompt.
            EngineError: The engine cannot load it.
        """
        if active is None:
            return RankingVersion(load_blend(self.settings.blend_file))
        await asyncio.to_thread(self.require_fit, active)
        await engine.load_adapter(active.ref)
        return RankingVersion(active.manifest.blend, active.ref.name)

    async def active_version(self, engine: Engine, steps: Steps) -> RankingVersion:
        """What the registry calls active, loaded; the base model where that cannot be, which is noted."""
        try:
            return await self.version(engine, self.registry.active())
        except ConvRecError as error:
            steps.note(f"{error}; the base model ranks until then")
            return await self.version(engine, None)

    def recommender(
        self,
        catalogue: Catalogue,
        index: Index,
        engine: Engine,
        version: RankingVersion,
        breaker: Breaker | None = None,
    ) -> Recommender:
        """Everything composed.

        Args:
            version: What ranks; its adapter is loaded.
            breaker: Of an earlier recommender with this engine.
        """
        retriever = HybridRetriever(index, catalogue, self.embedder, self.hybrid)
        counts = index.signals.popularity.counts_N.tolist()
        ranker = BlendRanker(
            self.interest(engine, catalogue),
            version,
            catalogue,
            self.settings.score_timeout_s,
            breaker,
        )
        return Recommender(
            catalogue=catalogue,
            ledger=self.ledger,
            retriever=retriever,
            ranker=ranker,
            engine=engine,
            listener=self.listener(catalogue, engine, ranker.breaker),
            evidence=EvidenceFinder(
                catalogue, retriever, dict(zip(index.item_ids, counts, strict=True)), self.settings.explain
            ),
            writer=ReplyWriter(
                engine,
                self.prompts,
                catalogue,
                self.settings.reply_timeout_s,
                tongues=Tongues(self.settings.prompts_dir),
                mode=self._reply_mode(),
            ),
            candidates=self.settings.candidates,
            k=self.settings.k,
        )

    def _reply_mode(self) -> Mode:
        if self.settings.reply != "auto":
            return self.settings.reply
        return "free" if self._is_large else "grammar"

    @property
    def _is_large(self) -> bool:
        size = parameters(self.settings.model) if self.settings.model else None
        return size is not None and size >= _WRITES

    def _model(self, name: str | None, demo: str, setting: str) -> str:
        if name is not None:
            return name
        folder = self.settings.models_dir / demo
        if not folder.is_dir():
            raise SettingsError(
                f"no {setting} is set and the demo's is not in {self.settings.models_dir}; "
                f"set CONVREC_{setting.upper()} to a folder or hub name, or run: convrec demo"
            )
        return str(folder)
