"""Edits that add to a text: a link, a mention, a label, a source, an emoji, a prefix, a topic."""

import string
from random import Random

_NAMES = ("小明", "阿花的日常", "老王来了", "北京小张", "清风明月2012", "Lucy_爱吃鱼", "路人甲", "李梅", "momo")
_OUTLETS = ("人民日报", "新华社", "央视新闻", "中国新闻网", "环球时报", "澎湃新闻", "新京报", "光明日报")
# Emotions that fit most news. Laughter, applause or mourning would change the tone of some.
_EMOJI = ("😮", "😱", "😢", "😭", "🙏", "🤔", "👀", "📢", "🔥", "😳")
_FACES = ("[泪]", "[吃惊]", "[思考]", "[话筒]", "[围观]", "[疑问]", "[衰]", "[转发]", "[汗]", "[震惊]")
_TOPICS = ("#热点#", "#新闻#", "#今日话题#", "#微博热议#", "#身边事#", "#资讯#", "#每日新闻#", "#热门#")
_PREFIXES = ("转发微博：", "【转】", "转：", "转发：", "[转]", "//@{name}：", "转自@{name} ：", "RT @{name}: ")
_CODE_CHARACTERS = string.ascii_letters + string.digits
_CODE_LENGTH = 7  # of Weibo's short links


def add_link(text: str, rng: Random) -> str:
    """Append a short link with a random code: ` http://t.cn/RaB3xYz`."""
    return f"{text} http://t.cn/{''.join(rng.choices(_CODE_CHARACTERS, k=_CODE_LENGTH))}"


def add_mention(text: str, rng: Random) -> str:
    """Append a mention of an account: ` @小明`."""
    return f"{text} @{rng.choice(_NAMES)}"


def add_full_text(text: str, _: Random) -> str:
    """Append `...全文`, the label of Weibo's link to the whole post, which is copied with a text."""
    return f"{text}...全文"


def add_source(text: str, rng: Random) -> str:
    """Append the name of an outlet as the source: ` 来源：人民日报`."""
    return f"{text} 来源：{rng.choice(_OUTLETS)}"


def add_emoji(text: str, rng: Random) -> str:
    """Append an emoji, or a face as Weibo writes it: `[泪]`."""
    return text + rng.choice(_EMOJI + _FACES)


def add_reposter_prefix(text: str, rng: Random) -> str:
    """Put what a reposter's client or the reposter writes before a text: `转发微博：`, `【转】`, `//@小明：`."""
    name = rng.choice(_NAMES)
    prefix = rng.choice(_PREFIXES)
    return prefix.format(name=name) + text


def add_hashtag(text: str, rng: Random) -> str:
    """Put a topic that says nothing about the text before or after it: `#热点#`."""
    topic = rng.choice(_TOPICS)
    return topic + text if rng.random() < 0.5 else text + topic
