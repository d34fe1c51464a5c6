import re

LINK = re.compile(r"(?<!!)\[[^]]*\]\(([^)#:]+)(?:#[^)]*)?\)")


def test_links_between_pages_lead_somewhere(request):
    root = request.config.rootpath
    for page in (root / "README.md", root / "CHANGELOG.md", *sorted((root / "docs").rglob("*.md"))):
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.relative_to(root)} links to {target}"


def test_every_page_is_listed_in_an_index(request):
    docs = request.config.rootpath / "docs"
    for page in sorted(docs.rglob("*.md")):
        index = page.parent / "index.md"
        listed = page == index or f"({page.name})" in index.read_text(encoding="utf-8")
        assert listed, f"{index.relative_to(docs)} does not list {page.name}"
