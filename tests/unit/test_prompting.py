"""Templates and domain files: what is accepted, what is refused, and in which words."""

from pathlib import Path

import pytest

from convrec.errors import DataError, PromptError
from convrec.prompting import Prompts, load_domain
from convrec.types import FacetType

PROMPTS = Path(__file__).parents[2] / "prompts"
FRONT = '+++\npurpose = "test"\nvariables = {variables}\ntoken_budget = 50\n+++\n'
DOMAIN = 'noun = "wine"\nplural = "wines"\nverb = "drink"\npast = "drunk"\nshown = []\nrating_scale = [0, 100]\n'


def write(folder: Path, name: str, body: str, variables: str = '["name"]') -> None:
    (folder / name).write_text(FRONT.replace("{variables}", variables) + body, encoding="utf-8")


def write_domain(folder: Path, text: str, name: str = "wines") -> None:
    (folder / "domains").mkdir()
    (folder / "domains" / f"{name}.toml").write_text(text, encoding="utf-8")


def test_the_latest_version_is_loaded_by_number_not_by_name(tmp_path: Path) -> None:
    for version in (1, 2, 10):
        write(tmp_path, f"hello.v{version}.j2", f"v{version} {{{{ name }}}}")
    assert Prompts(tmp_path).load("hello").render(name="x") == "v10 x"
    assert Prompts(tmp_path).load("hello", 2).name == "hello.v2"


@pytest.mark.parametrize(("task", "version"), [("bye", None), ("hello", 7), ("../hello", None)])
def test_an_unknown_prompt_lists_the_known_ones(tmp_path: Path, task: str, version: int | None) -> None:
    write(tmp_path, "hello.v1.j2", "{{ name }}")
    with pytest.raises(PromptError, match=r"known: hello\.v1"):
        Prompts(tmp_path).load(task, version)


def test_blocks_render_alone_and_need_only_their_own_variables(tmp_path: Path) -> None:
    body = "{% block one %}1 {{ a }}{% endblock %}\n{% block two %}2 {{ b }}{% endblock %}"
    write(tmp_path, "pair.v1.j2", body, '["a", "b"]')
    prompt = Prompts(tmp_path).load("pair")
    assert prompt.render("one", a="x") == "1 x"
    assert prompt.render("two", b="y") == "2 y"
    with pytest.raises(PromptError, match="one, two"):
        prompt.render("three")
    with pytest.raises(PromptError, match="'a' is undefined"):
        prompt.render("one", b="y")


def test_markup_is_data_and_is_not_rendered_again(tmp_path: Path) -> None:
    write(tmp_path, "hello.v1.j2", "Hi {{ name }}")
    assert Prompts(tmp_path).load("hello").render(name="{{ 7 * 7 }} <b>&") == "Hi {{ 7 * 7 }} <b>&"


def test_an_undeclared_variable_is_refused_at_render(tmp_path: Path) -> None:
    write(tmp_path, "hello.v1.j2", "{{ name }}")
    with pytest.raises(PromptError, match="declares no variable 'nam'"):
        Prompts(tmp_path).load("hello").render(nam="x")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{ name }}", "front matter"),
        ("+++\npurpose = \n+++\n", "not TOML"),
        ('+++\npurpose = "p"\nvariables = []\n+++\nx', "token_budget"),
        ('+++\npurpose = "p"\nvariables = []\ntoken_budget = 5\nvarables = []\n+++\nx', "varables"),
        (FRONT.replace("{variables}", "[]") + "{{ name }}", "used but not declared"),
        (FRONT.replace("{variables}", '["name"]') + "hello", "declared but not used"),
        (FRONT.replace("{variables}", "[]") + "{% if %}", "Expected an expression"),
    ],
)
def test_a_malformed_template_says_what_is_wrong(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "bad.v1.j2").write_text(text, encoding="utf-8")
    with pytest.raises(PromptError, match=complaint):
        Prompts(tmp_path).load("bad")


def test_templates_cannot_reach_files_or_python(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    write(tmp_path, "include.v1.j2", "{% include 'secret' %}{{ name }}")
    write(tmp_path, "python.v1.j2", "{{ name.__class__.__mro__ }}")
    for task in ("include", "python"):
        with pytest.raises(PromptError):
            Prompts(tmp_path).load(task).render(name="x")


def test_the_hash_follows_the_text(tmp_path: Path) -> None:
    write(tmp_path, "hello.v1.j2", "{{ name }}")
    before = Prompts(tmp_path).load("hello").hash
    assert len(before) == 12
    assert Prompts(tmp_path).load("hello").hash == before
    write(tmp_path, "hello.v1.j2", "{{ name }}!")
    assert Prompts(tmp_path).load("hello").hash != before


def test_every_shipped_prompt_and_domain_loads() -> None:
    tasks = {path.name.split(".")[0] for path in PROMPTS.glob("*.j2")}
    assert {Prompts(PROMPTS).load(task).task for task in tasks} == tasks
    movies = load_domain(PROMPTS, "movies")
    assert movies.noun == "film"
    assert {facet.name: facet.type for facet in movies.facets} == {"genre": FacetType.SET, "year": FacetType.RANGE}
    assert load_domain(PROMPTS, "generic").infer_facets


@pytest.mark.parametrize("name", ["cars", "../domains/movies", "", "movies.toml", "/etc/passwd"])
def test_an_unknown_domain_lists_the_known_ones(name: str) -> None:
    with pytest.raises(DataError, match="known: generic, movies"):
        load_domain(PROMPTS, name)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (DOMAIN + "nuon = 1", "nuon: Extra inputs"),
        (DOMAIN.replace('"wine"', "3"), "noun: .*string"),
        (DOMAIN.replace('noun = "wine"', ""), "noun: Field required"),
        (DOMAIN.replace("[0, 100]", "[5, 1]"), "lowest, highest"),
        (DOMAIN.replace("[0, 100]", '["0", 1]'), "rating_scale.0"),
        (DOMAIN + '[facets.price]\ntype = "number"', "facets.price.type"),
        (DOMAIN + '[facets.price]\ntype = "range"\n[facets.price.words]\na = ["b"]', "set facet"),
        (DOMAIN + '[facets.grape]\ntype = "set"\nmore = ["dearer"]', "range facet"),
        ("noun = ", "not TOML"),
    ],
)
def test_a_malformed_domain_names_the_file_and_the_key(tmp_path: Path, text: str, complaint: str) -> None:
    write_domain(tmp_path, text)
    with pytest.raises(DataError, match=r"wines\.toml.*" + complaint):
        load_domain(tmp_path, "wines")


def test_a_domain_of_ones_own_is_read_whole(tmp_path: Path) -> None:
    facets = '[facets.price]\ntype = "range"\nmore = ["dearer"]\nless = ["cheaper"]\n'
    write_domain(tmp_path, DOMAIN + facets)
    domain = load_domain(tmp_path, "wines")
    assert (domain.name, domain.plural, domain.rating_scale) == ("wines", "wines", (0.0, 100.0))
    assert domain.facets[0].less == ("cheaper",)
