"""Two small catalogues of different domains: whatever the dialogue does must work for both."""

from pathlib import Path

import pytest

from convrec.data.catalogue import Catalogue
from convrec.prompting import load_domain
from convrec.types import Domain, Facet, FacetType, Item

PROMPTS = Path(__file__).parents[3] / "prompts"

MOVIES = [
    ("alien", "Alien", 1979, "Action Horror Sci-Fi Thriller"),
    ("aliens", "Aliens", 1986, "Action Sci-Fi Thriller War"),
    ("big", "Big", 1988, "Comedy Fantasy"),
    ("casablanca", "Casablanca", 1942, "Drama Romance War"),
    ("deeds", "Mr. Deeds Goes to Town", 1936, "Comedy Romance"),
    ("ear", "What Ever Happened to Baby Jane?", 1962, "Drama Thriller"),
    ("fargo", "Fargo", 1996, "Crime Drama Thriller"),
    ("fear", "Fear", 1996, "Thriller"),
    ("ghost", "Ghost", 1990, "Comedy Romance Thriller"),
    ("go", "Go", 1999, "Comedy Crime"),
    ("godfather2", "The Godfather: Part II", 1974, "Action Crime Drama"),
    ("gump", "Forrest Gump", 1994, "Comedy Romance War"),
    ("heat", "Heat", 1995, "Action Crime Thriller"),
    ("it", "It", 1990, "Horror"),
    ("affair", "Love Affair", 1994, "Drama Romance"),
    ("pulp", "Pulp Fiction", 1994, "Crime Drama"),
    ("sabrina54", "Sabrina", 1954, "Comedy Romance"),
    ("sabrina95", "Sabrina", 1995, "Comedy Romance"),
    ("scream", "Scream", 1996, "Horror Thriller"),
    ("shawshank", "Shawshank Redemption, The", 1994, "Drama"),
    ("speed", "Speed", 1994, "Action Romance Thriller"),
    ("talk", "Something to Talk About", 1995, "Comedy Drama Romance"),
    ("terminator", "The Terminator", 1984, "Action Sci-Fi Thriller"),
    ("terminator2", "Terminator 2: Judgment Day", 1991, "Action Sci-Fi Thriller"),
    ("toy", "Toy Story", 1995, "Animation Children's Comedy"),
    ("toy2", "Toy Story 2", 1999, "Animation Children's Comedy"),
    ("wallace", "Wallace & Gromit: A Close Shave", 1995, "Animation Comedy"),
    ("western", "The Western", 1990, "Western"),
    ("wood", "Ed Wood", 1994, "Comedy Drama"),
]


def movie_items() -> list[Item]:
    return [
        Item(item_id, title, {"year": year, "genre": tuple(genres.split())})
        for item_id, title, year, genres in MOVIES
    ]


@pytest.fixture(scope="session")
def movies() -> Catalogue:
    return Catalogue(movie_items(), load_domain(PROMPTS, "movies"))


@pytest.fixture(scope="session")
def wines() -> Catalogue:
    grapes = ("Merlot", "Chardonnay", "Pinot Noir")
    domain = Domain(
        name="wines",
        noun="wine",
        plural="wines",
        verb="drink",
        past="drunk",
        shown=("price", "grape"),
        facets=(
            Facet("grape", FacetType.SET, words={"Chardonnay": ("white burgundy",), "Merlot": ("velvety",)}),
            Facet("price", FacetType.RANGE, more=("dearer", "expensive"), less=("cheaper", "cheap")),
            Facet("vintage", FacetType.RANGE, more=("younger",), less=("older",)),
        ),
        rating_scale=(0.0, 100.0),
    )
    return Catalogue(
        [
            Item(
                f"w{n}",
                f"Domaine {n}",
                {"price": 5 + n * 0.5, "vintage": 1990 + n % 30, "grape": grapes[n % 3]},
            )
            for n in range(60)
        ],
        domain,
    )
