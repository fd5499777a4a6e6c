"""Reading HTML: the elements of a page and what they fetch."""

from html.parser import HTMLParser


class Elements(HTMLParser):
    """Collects the elements of a page and whatever they fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.names.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.fetched += [given[key] for key in ("src", "href") if key in given]
