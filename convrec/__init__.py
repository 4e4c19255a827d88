"""convrec: a self-hosted, LLM-native conversational recommender. Importing it loads no model."""

from convrec.errors import ConvRecError
from convrec.settings import Settings, load_settings

__all__ = ["ConvRecError", "Settings", "load_settings"]
