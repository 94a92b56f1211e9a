"""The families of harmless edits by name, and the seeded edit of a text."""

from random import Random

from zhenwei.config.section import did_you_mean
from zhenwei.errors import ConfigError
from zhenwei.news.edits import additions, brackets, characters, notation, punctuation
from zhenwei.news.edits.edit import Edit
from zhenwei.news.fields import is_blank

EDITS: dict[str, Edit] = {
    edit.name: edit
    for edit in (
        Edit("link", "a short link after the text", additions.add_link),
        Edit("mention", "a mention of an account after the text", additions.add_mention),
        Edit("full_text", "the label ...全文 after the text", additions.add_full_text),
        Edit("source_tail", "the name of a source after the text", additions.add_source),
        Edit("emoji", "an emoji or a face such as [泪] after the text", additions.add_emoji),
        Edit("reposter_prefix", "a reposter's prefix before the text", additions.add_reposter_prefix),
        Edit("hashtags", "a topic such as #热点# before or after the text", additions.add_hashtag),
        Edit("blanks", "blanks between 10% of the Chinese characters, and one at the end", notation.insert_blanks),
        Edit("double_punctuation", "every punctuation mark twice", punctuation.double_marks),
        Edit("remove_punctuation", "no punctuation marks", punctuation.remove_marks),
        Edit("full_width_punctuation", "half-width punctuation marks to full width", punctuation.widen_marks),
        Edit("brackets_added", "the first clause in 【】", brackets.add_brackets),
        Edit("brackets_removed", "no characters 【 and 】", brackets.remove_brackets),
        Edit("html", "HTML entities instead of special characters and blanks, one <br/>", notation.escape_html),
        Edit("traditional", "Traditional Chinese characters", notation.to_traditional),
        Edit("full_width", "full-width letters and digits", notation.widen_letters),
        Edit("zero_width", "zero-width characters between the characters", notation.insert_zero_width),
        Edit("first_140", "the first 140 characters alone", notation.keep_first_140),
        Edit("homophones", "10% of the Chinese characters replaced by homophones", characters.use_homophones),
        Edit("lookalikes", "10% of the characters replaced by look-alikes", characters.use_lookalikes),
        Edit("split_characters", "10% of the Chinese characters split into their parts", characters.split_characters),
    )
}


def check_family(name: str) -> None:
    """Check that a name is one of `EDITS`.

    Raises:
        ConfigError: It is not; the message names the closest.
    """
    if name not in EDITS:
        raise ConfigError(f"found the family of edits '{name}'; {did_you_mean(name, EDITS)}")


def edit_text(name: str, text: str, *, seed: int, key: str) -> str:
    """Return a text after the edit of a family; a pure function of its arguments.

    Args:
        name: Name of the family, one of `EDITS`.
        text: The text.
        seed: Seed of the random choices.
        key: Identifies the article, so that each has choices of its own: its id, for example.

    Returns:
        The edited text; the text itself if there is nothing to edit, or nothing would be left of it.

    Raises:
        ConfigError: There is no such family.
    """
    check_family(name)
    edited = EDITS[name].apply(text, Random(f"{seed}/{name}/{key}"))
    return text if is_blank(edited) else edited
