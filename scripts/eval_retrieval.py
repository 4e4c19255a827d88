"""Judge the retriever on MovieLens-100K: leave-one-out by time, full ranking, through a real index."""

import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from convrec.data.catalogue import Catalogue, read_items
from convrec.data.interactions import Interaction, read_interactions
from convrec.data.sources import fetch_embedder, fetch_movielens
from convrec.evaluation.metrics import Estimate, estimate, ndcg, recall
from convrec.evaluation.protocols import Split, leave_one_out, rank_held_out
from convrec.prompting import load_domain
from convrec.retrieval.embedding import SentenceEmbedder
from convrec.retrieval.hybrid import HybridRetriever
from convrec.retrieval.index import build_index, open_index
from convrec.settings import load_settings
from convrec.types import Item


def main(
    split: Annotated[Split, typer.Option(help="Choose settings on valid, report test.")] = "test",
    data_dir: Annotated[Path | None, typer.Option(help="Where demo data and models are kept.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the figures here as well.")] = None,
) -> None:
    """Print NDCG@10 and Recall@10/20/50 with 95 % intervals."""
    settings = load_settings(data_dir=data_dir)
    movielens = fetch_movielens(settings.data_dir)
    domain = load_domain(settings.prompts_dir, "movies")
    catalogue = Catalogue((row for row in read_items(movielens.catalogue_file) if isinstance(row, Item)), domain)
    rows = read_interactions(movielens.interactions_file, domain, catalogue)
    cases = leave_one_out((row.event for row in rows if isinstance(row, Interaction)), split)
    embedder = SentenceEmbedder(settings.embedder or fetch_embedder(settings.models_dir))
    with tempfile.TemporaryDirectory() as folder:
        build_index(Path(folder), catalogue, (event for case in cases for event in case.history), embedder)
        with open_index(Path(folder), embedder) as index:
            retriever = HybridRetriever(index, catalogue, embedder)
            started = time.perf_counter()
            ranks = rank_held_out(retriever, cases, domain.rating_scale, depth=50)
            milliseconds = 1000 * (time.perf_counter() - started) / len(cases)
    figures = {"NDCG@10": estimate(ndcg(ranks, 10))}
    figures |= {f"Recall@{k}": estimate(recall(ranks, k)) for k in (10, 20, 50)}
    _show(figures, f"MovieLens-100K, {split}, {len(cases)} users, {milliseconds:.1f} ms per query")
    if json_file is not None:
        numbers = {name: asdict(figure) for name, figure in figures.items()}
        report = {"split": split, "users": len(cases), "ms_per_query": milliseconds, **numbers}
        json_file.write_text(json.dumps(report, indent=1))


def _show(figures: dict[str, Estimate], title: str) -> None:
    table = Table("metric", "mean", "95 % interval", title=title)
    for name, figure in figures.items():
        table.add_row(name, f"{figure.mean:.4f}", f"{figure.low:.4f} to {figure.high:.4f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
