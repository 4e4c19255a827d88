"""Owns the names that `convrec evaluate` takes, so that the command line knows them without loading anything."""

from __future__ import annotations

from typing import Literal

Split = Literal["valid", "test"]
DatasetName = Literal["movielens-100k", "movielens-latest-small", "redial", "files"]
ProtocolName = Literal["leave-one-out", "llamarec", "time-sliced", "like-dislike", "conversation"]
SYSTEMS = (
    "popularity",
    "item-knn",
    "ease",
    "recency-ease",
    "als",
    "bpr",
    "sasrec",
    "retrieval",
    "blend",
    "blend+NAME/VERSION",
)
