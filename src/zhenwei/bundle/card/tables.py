"""The parts of a model card with figures in them: data, scores, audit."""

from collections.abc import Iterable, Iterator

from zhenwei.bundle.card.data import CardFacts, CardPart, Interval, Scored

MOST_DOMAINS = 12

_SCORES = {
    "macro_f1": "Macro-F1",
    "auc": "AUC",
    "spauc": "SPAUC: AUC up to a false-alarm rate of 0.1",
    "f1_fake": "F1 of fake",
    "f1_real": "F1 of real",
    "precision_fake": "Precision of fake",
    "recall_fake": "Recall of fake",
    "acc": "Accuracy",
    "ece": "ECE (less is better)",
    "brier": "Brier score (less is better)",
}
_KINDS = {"length": "length in characters", "entities": "group by entities"}


def data_section(facts: CardFacts, chinese: float | None) -> str:
    """Return what the detector was made with: files, sizes, shares of fakes, times, domains.

    Args:
        facts: What is known of them.
        chinese: Mean share of Chinese characters among the letters of training articles; None: not known.
    """
    header = ("part", "file", "articles", "fake", "from", "to", "sha256")
    columns = [*zip(header, *map(_part_row, facts.parts), strict=True)]
    known = [column for column in columns if any(cell != "?" for cell in column[1:])]
    lines = [_table([column[0] for column in known], zip(*(column[1:] for column in known), strict=True))]
    lines += [line for part in facts.parts for line in _remarks(part)]
    if chinese is not None:
        lines.append(f"Of the letters of the training articles, {chinese:.0%} are Chinese characters.")
    return "\n\n".join(lines)


def _part_row(part: CardPart) -> tuple[str, ...]:
    share = "?" if not part.n or part.n_fake is None else f"{part.n_fake / part.n:.1%}"
    first, last = part.times or ("?", "?")
    return (part.part, _code(part.file), counted(part.n), share, first, last, _code(part.sha256[:16]))


def _remarks(part: CardPart) -> Iterator[str]:
    if part.timeless and part.times:
        yield f"{part.timeless:,} articles of {part.part} have no time."
    if part.domains and part.part == "train":
        shown = [f"{name} {count:,}" for name, count in part.domains[:MOST_DOMAINS]]
        left = len(part.domains) - len(shown)
        more = f", and {left} more" if left else ""
        yield f"Domains of the training articles: {_line(', '.join(shown))}{more}."


def scores_section(facts: CardFacts) -> str:
    """Return the scores of each part, with what makes them flatter than the future will."""
    with_intervals = [scored for scored in facts.scored if any(scored.intervals.values())]
    if with_intervals:
        heading = "## Scores, with 95% intervals"
    else:
        heading = "## Scores on " + " and ".join(_name(scored) for scored in facts.scored)
    keys = [key for key in _SCORES if any(scored.scores.get(key) is not None for scored in facts.scored)]
    rows = [(_SCORES[key], *(_score(scored, key) for scored in facts.scored)) for key in keys]
    lines = [heading, "\n\n".join(_about(scored, facts.parts) for scored in facts.scored)]
    lines.append(_table(("score", *(_name(scored) for scored in facts.scored)), rows))
    lines += [line for scored in facts.scored for line in _doubts(scored)]
    few = [_name(scored) for scored in facts.scored if scored.as_used and scored not in with_intervals]
    if few:
        lines.append(f"There are too few articles, too alike, for intervals on {' and '.join(few)}.")
    if all(scored.part != "test" for scored in facts.scored):
        lines.append("There are no scores on articles that are later than all that the detector was made with.")
    return "\n\n".join(lines)


def _about(scored: Scored, parts: Iterable[CardPart]) -> str:
    """Say how many articles a part has, and how much it flatters the detector."""
    how = "as the detector is used" if scored.as_used else "before calibration and at a threshold of 0.5"
    text = f"On {counted(scored.n)} articles{_of(scored)}, {counted(scored.n_fake)} of them fake, {how}."
    if scored.flattered:
        text += f" These {' and '.join(scored.flattered)}, so they flatter the detector."
    if scored.part != "test":
        return f"{text} The future will be harder."
    later = _is_later(parts)
    if later is None:
        return f"{text} No times are known by which these would be later than the training articles."
    return text if later else f"{text} These are not later than the training articles: the future will be harder."


def _is_later(parts: Iterable[CardPart]) -> bool | None:
    """Tell whether all articles of test are from after the last day of train and val; None: nobody knows."""
    times = {part.part: part.times for part in parts}
    test, train, val = (times.get(name) for name in ("test", "train", "val"))
    if test is None or train is None or val is None:
        return None
    return test[0] > max(train[1], val[1])


def _of(scored: Scored) -> str:
    return f" of {scored.part}" if scored.as_used else ""


def _doubts(scored: Scored) -> Iterator[str]:
    """Say what a part's scores hide: articles that training knew, and slices that are worse."""
    name = _name(scored)
    if scored.near:
        text = f"{scored.near:,} articles of {name} have a near-duplicate among the training articles."
        if scored.clean is not None:
            n, score, interval = scored.clean
            text += f" Without them: macro-F1 {_with_interval(score, interval)} on {n:,}."
        yield text
    elif scored.near == 0:
        yield f"No article of {name} has a near-duplicate among the training articles."
    if scored.worst:
        worst = [
            f"{_line(each.name)}, the worst {_KINDS.get(each.kind, each.kind)} of {each.among} "
            f"({each.n:,} articles): {_with_interval(each.macro_f1, each.interval)}"
            for each in scored.worst
        ]
        yield "\n".join([f"Where macro-F1 is lowest on {name}:", "", *(f"- {line}" for line in worst)])


def audit_section(facts: CardFacts) -> str:
    """Return what an audit found in the files, in short."""
    audit = facts.audit
    if audit is None:
        return (
            f"Not audited: {facts.unaudited}. Whether articles leak from one part into another, and whether something "
            "else than the content gives the label away, cannot be told from this card: `zhenwei data audit` looks."
        )
    found = {status: [each for each in audit.findings if each.status == status] for status in ("good", "warn", "fail")}
    names = ", ".join(part.name for part in audit.parts)
    counts = ", ".join(f"{len(each)} {status}" for status, each in found.items())
    lines = [f"`zhenwei data audit` of {names}: {len(audit.findings)} checks, {counts}."]
    if found["fail"]:
        lines.append("\n".join(f"- **fail**, {each.title}: {_line(each.summary)}" for each in found["fail"]))
    if found["warn"]:
        lines.append(f"Warned of: {'; '.join(each.title for each in found['warn'])}.")
    return "\n\n".join(lines)


def _name(scored: Scored) -> str:
    return {"val": "validation"}.get(scored.part, scored.part)


def _score(scored: Scored, key: str) -> str:
    value = scored.scores.get(key)
    return "undefined" if value is None else _with_interval(value, scored.intervals.get(key))


def _with_interval(value: float, interval: Interval | None) -> str:
    return f"{value:.3f}" if interval is None else f"{value:.3f} ({interval[0]:.3f} to {interval[1]:.3f})"


def counted(value: int | None) -> str:
    """Return a number of articles in words for people; `?` where nobody counted."""
    return "?" if value is None else f"{value:,}"


def _code(text: str) -> str:
    return f"`{_line(text)}`" if text else "?"


def _line(text: str) -> str:
    """Keep what data hold from ending a line, a cell or a code span of Markdown."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    for mark in "\\|`<*[":
        flat = flat.replace(mark, " " if mark == "`" else f"\\{mark}")
    return flat


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Lay out a Markdown table."""
    names = list(header)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
