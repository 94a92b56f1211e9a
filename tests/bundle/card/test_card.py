"""The model card: its text for people, and its metadata for the hub."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from zhenwei.audit.findings import AuditedPart, AuditReport, Finding
from zhenwei.bundle import Bundle, load_bundle, save_bundle
from zhenwei.bundle.card.card import model_card, public_name
from zhenwei.bundle.card.data import CardFacts, DataFile, PartScores, WorstSlice, file_name
from zhenwei.bundle.card.signature import is_complete, is_edited, sign
from zhenwei.bundle.card.update import updated_card
from zhenwei.config import BiGRUConfig, MDFENDConfig, ModelConfig, TfidfConfig

SECTIONS = [
    "Intended use", "How to use it", "Training data", "Scores", "Threshold and calibration", "Audit of the data",
    "Limits", "Licence", "Citation", "Versions",
]  # fmt: skip
TRAIN = DataFile(
    "train", "train.json", "ab" * 32, 1000, 486, ("2010-12-02", "2013-02-23"), 3, (("健康", 700), ("社会", 300))
)
VAL = DataFile("val", "val.json", "cd" * 32, 200, 100, ("2013-02-24", "2013-06-26"))
SCORES = PartScores(
    "val", 200, 100, {"macro_f1": 0.842, "auc": 0.92, "acc": 0.885, "f1_fake": None},
    {"macro_f1": (0.806, 0.873), "auc": None}, as_deployed=True, used_for=("select the epoch", "fit the threshold"),
    near_duplicates=14, without_duplicates=(186, 0.84, (0.804, 0.871)),
    worst=(WorstSlice("domain", "科技", 47, 0.763, (0.593, 0.877), 10), WorstSlice("length", "1-50", 40, 0.8, None, 5)),
)  # fmt: skip


@pytest.fixture
def bundle(own_bundle: Path) -> Bundle:
    return load_bundle(own_bundle)


def audit(*findings: tuple[str, str, str]) -> AuditReport:
    part = AuditedPart("train", "train.json", "ab" * 32, 1000, 486, 1000)
    found = tuple(Finding(title, title, status, text, "a threshold") for title, status, text in findings)  # type: ignore[arg-type]
    return AuditReport((part,), found, "0.1.0", 1.0)


def evaluated_card(bundle: Bundle, *scores: PartScores) -> str:
    return model_card(bundle, CardFacts((TRAIN, VAL), scores or (SCORES,)))


class TestShortCard:
    def test_has_every_section(self, own_bundle: Path) -> None:
        card = (own_bundle / "README.md").read_text(encoding="utf-8")
        assert [line[3:] for line in card.splitlines() if line.startswith("## ")] == SECTIONS

    def test_reports_what_is_unknown(self, bundle: Bundle) -> None:
        card = model_card(bundle)
        assert "Not audited: this card was written at the end of training;" in card
        assert "before calibration and at a threshold of 0.5." in card
        assert "These articles were also used to select the epoch, so the scores are optimistic." in card
        assert "95% intervals" not in card
        assert not is_edited(card)
        assert not is_complete(card)

    def test_metadata_is_valid_for_the_hub(self, own_bundle: Path) -> None:
        data = ModelCard.load(own_bundle / "README.md").data.to_dict()
        assert data["language"] == "zh"
        assert data["library_name"] == "zhenwei"
        assert data["pipeline_tag"] == "text-classification"
        assert data["metrics"] == ["f1", "roc_auc", "accuracy"]
        assert (data["license"], data["license_name"]) == ("other", "unspecified")
        assert {"fake-news-detection", "bigru"} <= {*data["tags"]}
        assert "model-index" not in data  # scores before calibration are not those of the deployed detector

    @pytest.mark.parametrize("share", [None, 0.3])
    def test_language_is_given_only_if_known(self, bundle: Bundle, share: float | None) -> None:
        bundle.facts["chinese_share"] = share
        assert "language" not in ModelCard(model_card(bundle)).data.to_dict()
        assert "Chinese post" not in model_card(bundle)

    def test_contains_no_folder(self, own_bundle: Path, data_folder: Path) -> None:
        card = (own_bundle / "README.md").read_text(encoding="utf-8")
        assert str(data_folder) not in card
        assert "| train | `train.json` | 64 |" in card

    def test_has_no_unrendered_markup(self, bundle: Bundle) -> None:
        for card in (model_card(bundle), evaluated_card(bundle)):
            assert "{{" not in card
            assert "{%" not in card
            assert "\n\n\n" not in card


class TestCompleteCard:
    def test_scores_have_intervals(self, bundle: Bundle) -> None:
        card = evaluated_card(bundle)
        assert "## Scores, with 95% intervals" in card
        assert "On 200 validation articles, 100 of them fake, as the detector is used." in card
        assert "| Macro-F1 | 0.842 (0.806 to 0.873) |" in card
        assert "| AUC | 0.920 |" in card
        assert "F1 of fake" not in card  # undefined on all parts
        assert is_complete(card)

    def test_near_duplicates_and_worst_slices_are_reported(self, bundle: Bundle) -> None:
        card = evaluated_card(bundle)
        assert "14 validation articles have a near-duplicate" in card
        assert "Macro-F1 on the other 186: 0.840 (0.804 to 0.871)." in card
        assert "- 科技, the worst domain of 10 (47 articles): 0.763 (0.593 to 0.877)" in card
        assert "- 1-50, the worst length in characters of 5 (40 articles): 0.800" in card
        assert "no scores on articles that are later" in card

    def test_no_near_duplicates_are_reported(self, bundle: Bundle) -> None:
        card = evaluated_card(bundle, replace(SCORES, near_duplicates=0))
        assert "No validation article has a near-duplicate among the training articles." in card

    def test_test_scores_are_beside_validation_scores(self, bundle: Bundle) -> None:
        test = replace(SCORES, part="test", scores={"macro_f1": 0.7}, intervals={}, used_for=())
        card = evaluated_card(bundle, SCORES, test)
        assert "| score | validation | test |" in card
        assert "| Macro-F1 | 0.842 (0.806 to 0.873) | 0.700 |" in card
        assert "no scores on articles that are later" not in card

    @pytest.mark.parametrize(
        ("times", "remark"),
        [
            (("2013-06-27", "2014-01-01"), ""),
            (("2013-06-26", "2014-01-01"), "They are not later than the training articles: expect lower scores"),
            (None, "It is not known whether they are later than the training articles."),
        ],
    )
    def test_whether_the_test_is_later_is_reported(
        self, bundle: Bundle, times: tuple[str, str] | None, remark: str
    ) -> None:
        files = (TRAIN, VAL, DataFile("test", "test.json", "ef" * 32, 100, 50, times))
        card = model_card(bundle, CardFacts(files, (replace(SCORES, part="test", used_for=()),)))
        following = card.partition("On 200 test articles, 100 of them fake, as the detector is used.\n")[2]
        assert following.startswith(remark or "\n| score |")

    def test_too_few_articles_for_intervals_are_reported(self, bundle: Bundle) -> None:
        card = evaluated_card(bundle, replace(SCORES, intervals={"macro_f1": None}))
        assert "## Scores\n" in card
        assert "too few independent validation articles for intervals" in card

    def test_data_are_described(self, bundle: Bundle) -> None:
        card = evaluated_card(bundle)
        assert "| train | `train.json` | 1,000 | 48.6% | 2010-12-02 | 2013-02-23 | `abababababababab` |" in card
        assert "Domains of the training articles: 健康 700, 社会 300." in card
        assert "3 articles of train have no time." in card
        assert "Its last training article is from 2013-02-23." in card

    def test_only_the_largest_domains_are_listed(self, bundle: Bundle) -> None:
        domains = tuple((f"d{number}", 100 - number) for number in range(15))
        card = model_card(bundle, CardFacts((replace(TRAIN, domains=domains), VAL), (SCORES,)))
        assert "d10 90, d11 89, and 3 more.\n" in card

    def test_results_are_in_the_metadata(self, bundle: Bundle) -> None:
        data = ModelCard(evaluated_card(bundle)).data
        results = {each.metric_type: each for each in data.eval_results}
        assert {name: each.metric_value for name, each in results.items()} == {
            "f1": 0.842,
            "roc_auc": 0.92,
            "accuracy": 0.885,
        }
        assert results["f1"].dataset_split == "val"
        assert results["f1"].dataset_revision == VAL.sha256

    def test_an_audit_is_summarised(self, bundle: Bundle) -> None:
        report = audit(("Copies", "fail", "val: 109 are copies"), ("Marks", "warn", "【"), ("Ids", "good", "none"))
        card = model_card(bundle, CardFacts((TRAIN, VAL), (SCORES,), report))
        assert "`zhenwei data audit` of train: 3 checks, 1 good, 1 warn, 1 fail." in card
        assert "- **fail**, Copies: val: 109 are copies" in card
        assert "Warnings: Marks." in card

    def test_text_of_the_data_is_escaped(self, bundle: Bundle) -> None:
        file = replace(TRAIN, name="a|b`c.json", domains=(("x\n# y|<b>", 2),))
        report = audit(("Copies", "fail", "found\n## 【*】"))
        card = model_card(bundle, CardFacts((file, VAL), (SCORES,), report))
        assert r"| `a\|b c.json` |" in card
        assert r"x # y\|\<b> 2" in card
        assert r"- **fail**, Copies: found ## 【\*】" in card

    def test_lone_surrogates_are_replaced(self, bundle: Bundle) -> None:
        card = model_card(bundle, CardFacts((replace(TRAIN, domains=(("\udc80", 2),)), VAL), (SCORES,)))
        assert not is_edited(card.encode("utf-8").decode("utf-8"))


class TestSignature:
    @pytest.mark.parametrize("complete", [False, True])
    def test_a_signed_card_is_recognised(self, complete: bool) -> None:
        card = sign("# 真伪\n", complete=complete)
        assert not is_edited(card)
        assert is_complete(card) is complete

    @pytest.mark.parametrize(("old", "new"), [("真伪", "真"), ("short card", "short  card"), ("<!--", "<!-- -->\n")])
    def test_an_edited_card_is_recognised(self, old: str, new: str) -> None:
        card = sign("# 真伪\n", complete=False).replace(old, new)
        assert is_edited(card)
        assert not is_complete(card)


class TestUpdate:
    def test_an_unedited_card_is_replaced(self, bundle: Bundle, own_bundle: Path) -> None:
        (own_bundle / "README.md").write_text(evaluated_card(bundle), encoding="utf-8")
        assert updated_card(bundle, own_bundle) == model_card(bundle)

    def test_a_missing_card_is_written(self, bundle: Bundle, tmp_path: Path) -> None:
        assert updated_card(bundle, tmp_path) == model_card(bundle)

    def test_an_edited_card_is_kept(self, bundle: Bundle, own_bundle: Path, caplog: pytest.LogCaptureFixture) -> None:
        (own_bundle / "README.md").write_bytes("# 我的".encode("gbk"))
        assert updated_card(bundle, own_bundle) is None
        save_bundle(bundle, own_bundle, card=updated_card(bundle, own_bundle))
        assert (own_bundle / "README.md").read_bytes() == "# 我的".encode("gbk")
        assert "README.md: kept, because it was edited; check that its scores" in caplog.text


@pytest.mark.parametrize(
    ("model", "cited"),
    [
        (BiGRUConfig(), ["SIGIR 2022"]),
        (BiGRUConfig(debias="endef"), ["SIGIR 2022"]),
        (MDFENDConfig(debias="endef"), ["CIKM 2021", "SIGIR 2022"]),
        (TfidfConfig(), []),
        (ModelConfig(name="third-party"), []),
    ],
)
def test_papers_are_cited(bundle: Bundle, model: ModelConfig, cited: list[str]) -> None:
    card = model_card(replace(bundle, config=bundle.config.model_copy(update={"model": model})))
    [citation] = re.findall(r"(?<=## Citation\n).*(?=\n## Versions)", card, re.DOTALL)
    assert re.findall(r"(?m)^- .*\. (\w+ \d+)\.$", citation) == cited
    assert ("Entity Bias" in citation) == ("SIGIR 2022" in cited)
    assert ("implements no paper" in citation) == (not cited)


def test_paths_are_cut_to_their_last_component() -> None:
    assert file_name("C:\\posts\\train.json") == file_name("/home/lin/posts/train.json") == "train.json"
    assert public_name("hfl/chinese-bert") == "hfl/chinese-bert"
    assert public_name("/home/lin/models/bert") == public_name("models\\mine\\bert") == "bert"
