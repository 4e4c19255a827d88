"""Builds what the service is made of from Settings: the only place that knows which class fills which seam."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from convrec.data.catalogue import Catalogue, CatalogueStore
from convrec.database import open_database
from convrec.dialogue.evidence import EvidenceFinder
from convrec.dialogue.reply import ReplyWriter
from convrec.dialogue.understanding import Understanding
from convrec.engine.base import Engine
from convrec.engine.vllm import VllmEngine, vllm_available
from convrec.errors import DataError, EngineUnavailableError
from convrec.ledger.ledger import Ledger
from convrec.prompting import Prompts, load_domain
from convrec.ranking.blend import Blend, load_blend
from convrec.ranking.interest import Interest
from convrec.ranking.ranker import BlendRanker
from convrec.retrieval.base import Embedder, Retriever
from convrec.retrieval.hybrid import HybridRetriever
from convrec.service.calibration import CalibrationConfig, calibrate
from convrec.service.recommender import Recommender
from convrec.service.steps import Progress, Steps, silent
from convrec.settings import Settings
from convrec.types import Domain, FeedbackEvent
