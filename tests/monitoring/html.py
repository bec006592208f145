"""Read a page as a browser would, as far as tests need it."""

from html.parser import HTMLParser

VOID = {"meta", "br", "hr", "img", "input", "link"}


class Element:
    """One element with its attributes and its own text."""

    def __init__(self, tag: str, attributes: dict[str, str | None], parent: "Element | None") -> None:
        self.tag, self.attributes, self.parent = tag, attributes, parent
        self.text = ""
        self.children: list[Element] = []

    def all_text(self) -> str:
        return self.text + "".join(child.all_text() for child in self.children)

    def every(self, *tags: str) -> "list[Element]":
        found = [self] if self.tag in tags else []
        return found + [hit for child in self.children for hit in child.every(*tags)]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("#root", {}, None)
        self._here = self.root

    def handle_starttag(self, tag, attrs):
        child = Element(tag, dict(attrs), self._here)
        self._here.children.append(child)
        if tag not in VOID:
            self._here = child

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self._here.tag == tag, f"</{tag}> closes <{self._here.tag}>"
            assert self._here.parent is not None
            self._here = self._here.parent

    def handle_data(self, data):
        self._here.text += data


def read_page(html: str) -> Element:
    """Parse a page; every element must be closed by its own end tag."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader._here is reader.root, f"<{reader._here.tag}> is never closed"
    return reader.root
