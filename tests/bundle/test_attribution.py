"""Word attributions."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from zhenwei import Trainer
from zhenwei.bundle import Bundle, load_bundle
from zhenwei.bundle.attribution import MAX_VARIANTS, cut_words, word_attributions
from zhenwei.news import Article

CPU = torch.device("cpu")
TEXTS = [
    "据云溪通报，大蒜检测合格，供应恢复正常。",
    "听说云溪的大蒜出大事了！！\n 赶紧 转给家人@小明 [泪] http://t.cn/abc 👨‍👩‍👧 iPhone12 3.5% don't",
    "。",
    "nyt新闻http://t.cn/8kbl转发",
]


def logit(bundle: Bundle, text: str) -> float:
    return float(bundle.predict_logits(bundle.featurizer().encode([Article(content=text)]), CPU)[0])


class TestCut:
    @pytest.mark.parametrize("text", TEXTS)
    def test_concatenated_words_are_the_text(self, text: str) -> None:
        assert "".join(cut_words(text)) == text

    def test_chinese_is_segmented_and_other_scripts_are_cut_in_runs(self) -> None:
        assert cut_words("大蒜检测合格") == ["大蒜", "检测", "合格"]
        assert cut_words(TEXTS[1])[-17:] == [
            *(" ", "转给", "家人", "@小明", " ", "[泪]", " ", "http://t.cn/abc", " ", "👨‍👩‍👧", " "),
            *("iPhone", "12", " ", "3.5%", " ", "don't"),
        ]
        assert cut_words(TEXTS[3]) == ["nyt", "新闻", "http://t.cn/8kbl", "转发"]


class TestAttributions:
    def test_every_word_has_an_attribution_by_any_detector(self, tfidf: Bundle, tiny_run: Path) -> None:
        for bundle in (tfidf, load_bundle(tiny_run)):
            attributions = word_attributions(bundle, [Article(content=text) for text in TEXTS], CPU)
            assert ["".join(word for word, _ in words) for words in attributions] == TEXTS
            assert any(attribution for _, attribution in attributions[0])

    def test_words_of_fakes_are_evidence_for_fake(self, tfidf: Bundle) -> None:
        fake, real = word_attributions(
            tfidf, [Article(content="听说云溪的大蒜出大事了"), Article(content="据云溪通报，大蒜检测合格")], CPU
        )
        assert dict(fake)["听说"] > 0 > dict(real)["通报"]
        assert max(fake, key=lambda pair: abs(pair[1]))[1] > 0 > max(real, key=lambda pair: abs(pair[1]))[1]

    def test_an_attribution_is_the_change_of_the_logit_without_the_word(self, tiny_run: Path) -> None:
        bundle = load_bundle(tiny_run)  # trained without masks: words are deleted
        attributions = word_attributions(bundle, [Article(content="听说云溪的大蒜")], CPU)[0]
        full = logit(bundle, "听说云溪的大蒜")
        assert [word for word, _ in attributions][-1] == "大蒜"
        assert attributions[-1][1] == pytest.approx(full - logit(bundle, "听说云溪的"), abs=1e-5)

    def test_a_detector_trained_with_masks_gets_masks(
        self, tiny_settings: Callable[..., dict[str, Any]], tmp_path: Path
    ) -> None:
        Trainer(tiny_settings(tmp_path / "run", data={"aug_prob": 0.2})).train()
        bundle = load_bundle(tmp_path / "run")
        encoded = bundle.featurizer().encode([Article(content="听说大蒜")])
        masked = encoded.tokens.ids.copy()
        masked[1:3] = bundle.tokenizer.mask_id
        tokens = replace(encoded.tokens, ids=masked)
        without = float(bundle.predict_logits(replace(encoded, tokens=tokens), CPU)[0])
        attributions = word_attributions(bundle, [Article(content="听说大蒜")], CPU)[0]
        assert attributions[0][0] == "听说"
        assert attributions[0][1] == pytest.approx(logit(bundle, "听说大蒜") - without, abs=1e-5)

    def test_unread_words_have_no_attribution(self, tiny_run: Path) -> None:
        bundle = load_bundle(tiny_run)  # reads 40 tokens
        attributions = word_attributions(bundle, [Article(content="听说" + "的" * 50 + "大蒜 ")], CPU)[0]
        assert [attribution for word, attribution in attributions if word in ("大蒜", " ")] == [0.0, 0.0]

    def test_words_of_long_texts_are_merged(self, tfidf: Bundle) -> None:
        tfidf.config = tfidf.config.model_copy(update={"data": tfidf.config.data.model_copy(update={"max_len": 1000})})
        text = "听说，大蒜！" * 150  # 600 words that the detector reads, and 300 that it does not
        attributions = word_attributions(tfidf, [Article(content=text + "的" * 900)], CPU)[0]
        assert "".join(word for word, _ in attributions) == text + "的" * 900
        assert MAX_VARIANTS // 2 < len(attributions) <= MAX_VARIANTS + 1
        assert attributions[-1][1] == 0.0
