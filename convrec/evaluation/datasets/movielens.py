"""Owns reading MovieLens-100K and MovieLens latest-small as GroupLens ships them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from convrec.data.catalogue import Catalogue
from convrec.data.sources import article_first, fetch_movielens
from convrec.errors import DataError
from convrec.evaluation.datasets.base import Dataset
from convrec.evaluation.datasets.files import read_files
from convrec.types import AttributeValue, Domain, FeedbackEvent, FeedbackType, Item

_SOURCE = (
    "GroupLens, University of Minnesota; Harper and Konstan 2015, 'The MovieLens Datasets'. Research use; "
    "see the README of the data set for its terms."
)
# The columns of u.item after item_id, title, release date, video release date and URL, without "unknown".
_GENRES = (
    "Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy Film-Noir Horror Musical "
    "Mystery Romance Sci-Fi Thriller War Western"
).split()
_TITLE_YEAR = re.compile(r"^(?P<title>.*) \((?P<year>[0-9]{4})[^()]*\)\s*$")


def read_movielens_100k(folder: Path | None, data_dir: Path, domain: Domain) -> Dataset:
    """MovieLens-100K: 943 users, 1,682 films, 100,000 ratings.

    Args:
        folder: With u.data and u.item (GroupLens's ml-100k.zip unpacked); None takes the demo's copy, fetched
            into data_dir where it is missing.
        data_dir: Where the demo keeps its data.
        domain: `movies`.

    Raises:
        DataError: A file is missing or not what it should be.
        SourceError: The demo's copy cannot be fetched.
    """
    if folder is None:
        fetched = fetch_movielens(data_dir)
        read = read_files(fetched.catalogue_file, fetched.interactions_file, domain)
        return replace(read, name="movielens-100k", source=_SOURCE)
    items = []
    for fields in _rows(folder / "u.item", "|", 24, "latin-1"):
        genres = tuple(name for name, flag in zip(_GENRES, fields[6:], strict=True) if flag == "1")
        items.append(_item(fields[0], fields[1], genres))
    catalogue = Catalogue(items, domain)
    events = [_rating(fields, catalogue, folder / "u.data") for fields in _rows(folder / "u.data", "\t", 4)]
    return Dataset("movielens-100k", catalogue, events, source=_SOURCE)


def read_movielens_latest(folder: Path, domain: Domain) -> Dataset:
    """MovieLens latest-small of September 2018: 610 users, 9,742 films, 100,836 ratings from 0.5 to 5.

    Args:
        folder: With ratings.csv and movies.csv (ml-latest-small.zip unpacked).
        domain: `movies`; its rating scale is replaced.

    Raises:
        DataError: A file is missing or not what it should be.
    """
    items = [
        _item(fields[0], fields[1], tuple(g for g in fields[2].split("|") if not g.startswith("(")))
        for fields in _rows(folder / "movies.csv", ",", 3, header=True)
    ]
    catalogue = Catalogue(items, replace(domain, rating_scale=(0.5, 5.0)))
    file = folder / "ratings.csv"
    events = [_rating(fields, catalogue, file) for fields in _rows(file, ",", 4, header=True)]
    return Dataset("movielens-latest-small", catalogue, events, source=_SOURCE)


def _rows(
    file: Path, delimiter: str, width: int, encoding: str = "utf-8", header: bool = False
) -> Iterator[Sequence[str]]:
    if not file.is_file():
        raise DataError(f"{file} is missing; unpack the data set as GroupLens ships it and name its folder")
    # Only the comma-separated files quote.
    quote = '"' if delimiter == "," else None
    with file.open(encoding=encoding, newline="") as stream:
        reader = csv.reader(
            stream, delimiter=delimiter, quotechar=quote, quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE
        )
        try:
            for line, fields in enumerate(reader, start=1):
                if line == 1 and header:
                    continue
                if len(fields) != width:
                    raise DataError(f"{file}, line {line}: {len(fields)} fields instead of {width}")
                yield fields
        except (UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{file} is not as GroupLens ships it ({error}); unpack the data set again") from error


def _item(item_id: str, named: str, genres: tuple[str, ...]) -> Item:
    match = _TITLE_YEAR.match(named)
    attributes: dict[str, AttributeValue] = {"year": int(match["year"])} if match else {}
    if genres:
        attributes["genre"] = genres
    return Item(item_id, article_first(match["title"] if match else named.strip()), attributes)


def _rating(fields: Sequence[str], catalogue: Catalogue, file: Path) -> FeedbackEvent:
    user_id, item_id, rating, timestamp = fields
    if item_id not in catalogue:
        raise DataError(f"{file}: item {item_id} is not among the films")
    try:
        value, moment = float(rating), float(timestamp)
    except ValueError as error:
        raise DataError(f"{file}: {error}") from error
    return FeedbackEvent(f"{user_id}-{item_id}", user_id, FeedbackType.RATING, moment, item_id, rating=value)
