"""The model card: what a stranger reads of a detector, and what the hub reads of it."""

from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from zhenwei.audit.findings import AuditedPart, AuditReport, Finding
from zhenwei.bundle import Bundle, load_bundle, save_bundle
from zhenwei.bundle.card.card import file_or_name, model_card
from zhenwei.bundle.card.citations import papers
from zhenwei.bundle.card.data import CardFacts, CardPart, Scored, WorstSlice, file_name
from zhenwei.bundle.card.signature import CardState, card_state, marked
from zhenwei.bundle.card.update import updated_card

SECTIONS = [
    "Intended use", "How to use it", "Training data", "Scores on validation", "Threshold and calibration",
    "Audit of the data", "Limits", "Licence", "Citation", "Versions",
]  # fmt: skip
TRAIN = CardPart(
    "train", "train.json", "ab" * 32, 1000, 486, ("2010-12-02", "2013-02-23"), 3, (("健康", 700), ("社会", 300))
)
VAL = CardPart("val", "val.json", "cd" * 32, 200, 100, ("2013-02-24", "2013-06-26"))
SCORED = Scored(
    "val", 200, 100, {"macro_f1": 0.842, "auc": 0.92, "acc": 0.885, "f1_fake": None},
    {"macro_f1": (0.806, 0.873), "auc": None}, as_used=True, flattered=("chose the epoch", "chose the threshold"),
    near=14, clean=(186, 0.84, (0.804, 0.871)),
    worst=(WorstSlice("domain", "科技", 47, 0.763, (0.593, 0.877), 10), WorstSlice("length", "1-50", 40, 0.8, None, 5)),
)  # fmt: skip


@pytest.fixture
def bundle(own_bundle: Path) -> Bundle:
    return load_bundle(own_bundle)


def audit(*findings: tuple[str, str, str]) -> AuditReport:
    part = AuditedPart("train", "train.json", "ab" * 32, 1000, 486, 1000)
    found = tuple(Finding(title, title, status, told, "a bound") for title, status, told in findings)  # type: ignore[arg-type]
    return AuditReport((part,), found, "0.1.0", 1.0)


class TestOfATraining:
    def test_every_section_is_there(self, own_bundle: Path) -> None:
        card = (own_bundle / "README.md").read_text(encoding="utf-8")
        assert [line[3:] for line in card.splitlines() if line.startswith("## ")] == SECTIONS

    def test_it_says_what_it_does_not_know(self, bundle: Bundle) -> None:
        card = model_card(bundle)
        assert "Not audited: this card was written right after the training, before anybody looked;" in card
        assert (
            "before calibration and at a threshold of 0.5. These chose the epoch, so they flatter the detector." in card
        )
        assert "95% intervals" not in card

    def test_the_hub_s_own_library_reads_its_head(self, own_bundle: Path) -> None:
        data = ModelCard.load(own_bundle / "README.md").data.to_dict()
        assert data["language"] == "zh"
        assert data["library_name"] == "zhenwei"
        assert data["pipeline_tag"] == "text-classification"
        assert data["metrics"] == ["f1", "roc_auc", "accuracy"]
        assert {"fake-news-detection", "bigru"} <= {*data["tags"]}
        assert "model-index" not in data  # scores from before calibration are not those of the detector as it is used

    def test_a_language_is_claimed_where_it_is_known(self, bundle: Bundle) -> None:
        for share in (None, 0.3):
            bundle.facts["chinese_share"] = share
            assert "language" not in ModelCard(model_card(bundle)).data.to_dict()
            assert "Chinese post" not in model_card(bundle)

    def test_it_names_no_folder(self, own_bundle: Path, data_folder: Path) -> None:
        card = (own_bundle / "README.md").read_text(encoding="utf-8")
        assert str(data_folder) not in card
        assert "| train | `train.json` | 64 |" in card


class TestOfAJudging:
    def test_scores_stand_with_their_intervals(self, bundle: Bundle) -> None:
        card = model_card(bundle, CardFacts((TRAIN, VAL), (SCORED,)))
        assert "## Scores, with 95% intervals" in card
        assert "On 200 articles of val, 100 of them fake, as the detector is used." in card
        assert "| Macro-F1 | 0.842 (0.806 to 0.873) |" in card
        assert "| AUC | 0.920 |" in card
        assert "F1 of fake" not in card  # undefined on all parts

    def test_it_says_what_the_scores_hide(self, bundle: Bundle) -> None:
        card = model_card(bundle, CardFacts((TRAIN, VAL), (SCORED,)))
        assert "14 articles of validation have a near-duplicate" in card
        assert "Without them: macro-F1 0.840 (0.804 to 0.871) on 186." in card
        assert "- 科技, the worst domain of 10 (47 articles): 0.763 (0.593 to 0.877)" in card
        assert "- 1-50, the worst length in characters of 5 (40 articles): 0.800" in card
        assert "no scores on articles that are later" in card

    def test_a_test_stands_beside_the_validation(self, bundle: Bundle) -> None:
        test = replace(SCORED, part="test", scores={"macro_f1": 0.7}, intervals={}, flattered=())
        card = model_card(bundle, CardFacts((TRAIN, VAL), (SCORED, test)))
        assert "| score | validation | test |" in card
        assert "| Macro-F1 | 0.842 (0.806 to 0.873) | 0.700 |" in card
        assert "no scores on articles that are later" not in card

    @pytest.mark.parametrize(
        ("times", "told"),
        [
            (("2013-06-27", "2014-01-01"), ""),
            (("2013-06-26", "2014-01-01"), " These are not later than the training articles: the future will be"),
            (None, " No times are known by which these would be later than the training articles."),
        ],
    )
    def test_only_a_later_test_speaks_of_the_future(
        self, bundle: Bundle, times: tuple[str, str] | None, told: str
    ) -> None:
        parts = (TRAIN, VAL, CardPart("test", "test.json", "ef" * 32, 100, 50, times))
        card = model_card(bundle, CardFacts(parts, (replace(SCORED, part="test", flattered=()),)))
        line = next(line for line in card.splitlines() if line.startswith("On 200 articles of test"))
        if told:
            assert line.partition("as the detector is used.")[2].startswith(told)
        else:
            assert line.endswith("as the detector is used.")

    def test_too_few_articles_for_intervals_are_told(self, bundle: Bundle) -> None:
        card = model_card(bundle, CardFacts((TRAIN, VAL), (replace(SCORED, intervals={"macro_f1": None}),)))
        assert "## Scores on validation" in card
        assert "too few articles, too alike, for intervals on validation" in card

    def test_the_data_are_described(self, bundle: Bundle) -> None:
        card = model_card(bundle, CardFacts((TRAIN, VAL), (SCORED,)))
        assert "| train | `train.json` | 1,000 | 48.6% | 2010-12-02 | 2013-02-23 | `abababababababab` |" in card
        assert "Domains of the training articles: 健康 700, 社会 300." in card
        assert "3 articles of train have no time." in card
        assert "The last article that it learned from is from 2013-02-23." in card

    def test_results_are_listed_for_the_hub(self, bundle: Bundle) -> None:
        data = ModelCard(model_card(bundle, CardFacts((TRAIN, VAL), (SCORED,)))).data
        results = {each.metric_type: each for each in data.eval_results}
        assert {name: each.metric_value for name, each in results.items()} == {
            "f1": 0.842,
            "roc_auc": 0.92,
            "accuracy": 0.885,
        }
        assert results["f1"].dataset_split == "val"
        assert results["f1"].dataset_revision == VAL.sha256

    def test_an_audit_is_told_in_short(self, bundle: Bundle) -> None:
        found = audit(("Copies", "fail", "val: 109 are copies"), ("Marks", "warn", "【"), ("Ids", "good", "none"))
        card = model_card(bundle, CardFacts((TRAIN, VAL), (SCORED,), found))
        assert "`zhenwei data audit` of train: 3 checks, 1 good, 1 warn, 1 fail." in card
        assert "- **fail**, Copies: val: 109 are copies" in card
        assert "Warned of: Marks." in card

    def test_what_data_hold_does_not_break_its_markup(self, bundle: Bundle) -> None:
        part = replace(TRAIN, file="a|b`c.json", domains=(("x\n# y|<b>", 2),))
        card = model_card(bundle, CardFacts((part, VAL), (SCORED,), audit(("Copies", "fail", "found\n## 【*】"))))
        assert r"| `a\|b c.json` |" in card
        assert r"x # y\|\<b> 2" in card
        assert r"- **fail**, Copies: found ## 【\*】" in card


class TestMark:
    def test_a_card_is_known_for_what_it_is(self, tmp_path: Path) -> None:
        path = tmp_path / "README.md"
        assert card_state(path) is CardState.MISSING
        for whole, state in ((False, CardState.SHORT), (True, CardState.WHOLE)):
            path.write_text(marked("# 真伪\n", whole=whole), encoding="utf-8")
            assert card_state(path) is state

    @pytest.mark.parametrize(("old", "new"), [("真伪", "真"), ("short card", "whole  card"), ("<!--", "<!-- -->\n")])
    def test_one_that_somebody_edited_is_theirs(self, tmp_path: Path, old: str, new: str) -> None:
        path = tmp_path / "README.md"
        path.write_text(marked("# 真伪\n", whole=False).replace(old, new), encoding="utf-8")
        assert card_state(path) is CardState.EDITED

    def test_a_saved_bundle_has_a_short_one(self, bundle: Bundle, own_bundle: Path) -> None:
        save_bundle(bundle, own_bundle, card=updated_card(bundle, own_bundle))
        assert card_state(own_bundle / "README.md") is CardState.SHORT

    def test_one_that_a_person_edited_is_kept(
        self, bundle: Bundle, own_bundle: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = own_bundle / "README.md"
        path.write_text(path.read_text(encoding="utf-8").replace("fake", "false"), encoding="utf-8")
        edited = path.read_text(encoding="utf-8")
        save_bundle(bundle, own_bundle, card=updated_card(bundle, own_bundle))
        assert path.read_text(encoding="utf-8") == edited
        assert "you have edited this card, so it is kept" in caplog.text


def test_papers_are_cited() -> None:
    assert "Entity Bias" in papers("bigru", debiased=False)[0]
    assert [paper.rsplit(". ", 1)[1] for paper in papers("mdfend", debiased=True)] == ["CIKM 2021.", "SIGIR 2022."]
    assert len(papers("bigru", debiased=True)) == 1
    assert papers("tfidf", debiased=False) == papers("somebody-s-own", debiased=False) == ()


def test_folders_are_cut_to_their_names() -> None:
    assert file_name("C:\\posts\\train.json") == file_name("/home/lin/posts/train.json") == "train.json"
    assert file_or_name("hfl/chinese-bert") == "hfl/chinese-bert"
    assert file_or_name("/home/lin/models/bert") == file_or_name("models\\mine\\bert") == "bert"
