"""Reading HTML: the elements of a page and what they fetch, and the cells of its tables."""

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


class Tables(HTMLParser):
    """Collects the rows of every table: heading, then for each cell its class and its parts by class."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.part = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        name = dict(attributes).get("class", "")
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("th", "td"):
            self.tables[-1][-1].append({"class": name})
            self.part = "heading" if tag == "th" else ""
        elif tag == "span":
            self.part = name or self.part

    def handle_endtag(self, tag):
        self.part = (
            "ours" if tag == "span" and self.part == "mark" else "" if tag in ("span", "th", "td") else self.part
        )

    def handle_data(self, text):
        if self.tables and self.tables[-1] and self.part:
            cell = self.tables[-1][-1][-1]
            cell[self.part] = cell.get(self.part, "") + text.strip()
