"""Synthetic records for testing report pages, of the same types that the commands produce.

    evaluation("val")  evaluation("test")  bare_evaluation()  comparison()  audit()  stress()

Their figures are seeded and consistent. Their texts are Chinese; some are long, some contain markup.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zhenwei.audit.findings import AuditedPart, AuditReport, Finding, Plot, Table
from zhenwei.evaluation.comparison.records import (
    ComparedDetector,
    ComparedPart,
    ComparedRun,
    Comparison,
    Difference,
    Summary,
)  # fmt: skip
from zhenwei.evaluation.records import Evaluation, Mistake, Overlap, ReliabilityBin, Slice
from zhenwei.evaluation.stress.records import EditResult, FlippedArticle, FlipShare, ScoreChange, StressResult

HOSTILE = "<script>alert(1)</script>\"'&$x^2$ {{ 7 * 7 }}"
METRICS = (
    "auc", "spauc", "macro_f1", "f1_real", "f1_fake", "recall", "recall_real", "recall_fake", "precision",
    "precision_real", "precision_fake", "acc", "ece", "brier", "loss",
)  # fmt: skip
DOMAINS = (
    "社会生活", "医药健康", "文体娱乐", "财经商业", "灾难事故", "教育考试", "科技", "军事", "政治", HOSTILE,
    "一个名字非常非常长、长得在任何一张图里都放不下的领域", "AVeryLongDomainNameThatDoesNotFitIntoTheMarginOfAnyChart",
)  # fmt: skip
MONTHS = [f"{year}-{month:02}" for year in (2012, 2013, 2014) for month in range(1, 13)]
TEXTS = (
    "【紧急扩散】听说云溪市的自来水出大事了，朋友的亲戚就在水厂上班，内部消息千万别喝，赶紧转给家人和朋友！！",
    "记者今天从云溪市水务部门获悉，供水管网检修已按计划完成，水质检测数据可在官网查询，请大家不必恐慌。",
    "网传某品牌奶粉检出三聚氰胺，专家：勿信谣，抽检结果全部合格。转发微博",
    f"这条微博里有代码：{HOSTILE}，页面必须原样显示它，而不是执行它。",
    "据央视报道，昨夜12时许，G15高速发生多车追尾，救援人员已赶赴现场，伤亡情况仍在核实之中。" * 18,
    "AWordOfTwoHundredLettersWithoutAnyPositionForALineBreak" * 4,
)


def _scores(rng: random.Random, level: float) -> dict[str, float | int | None]:
    values: dict[str, float | int | None] = {name: level + rng.uniform(-0.04, 0.05) for name in METRICS}
    return values | {"macro_f1": level, "ece": 0.031, "brier": 0.62 - level / 2, "loss": 1.2 - level}


def _intervals(scores: dict[str, float | int | None], width: float) -> dict[str, tuple[float, float] | None]:
    return {
        name: None if value is None else (max(value - width, 0.0), min(value + 0.9 * width, 1.0))
        for name, value in scores.items()
    }


def _slice(rng: random.Random, kind: str, name: str, n: int, level: float) -> Slice:
    scores = _scores(rng, min(max(level + rng.gauss(0, 0.6 / n**0.5), 0.05), 0.98))
    return Slice(kind, name, n, round(n * rng.uniform(0.25, 0.75)), scores, _intervals(scores, 1 / n**0.5))


def _slices(rng: random.Random, months: Sequence[str], level: float, n: int) -> tuple[Slice, ...]:
    slices = [
        _slice(rng, "month", month, rng.randint(12, 2 * n // len(months)), level - 0.002 * index)
        for index, month in enumerate(months)
    ]
    slices += [_slice(rng, "domain", name, n // (2 + index), level) for index, name in enumerate(DOMAINS)]
    lengths = ("1-20", "21-50", "51-100", "101-200", "201-500", "501 and more")
    slices += [_slice(rng, "length", name, n // 6, level) for name in lengths]
    names = ("seen in training", "unseen in training", "no entities")
    slices += [_slice(rng, "entities", name, n // 3, level - 0.03 * index) for index, name in enumerate(names)]
    undefined: dict[str, float | int | None] = dict.fromkeys(METRICS)
    return (*slices, Slice("domain", "只有一条", 1, 1, undefined, dict.fromkeys(METRICS)))


def _mistakes(rng: random.Random) -> tuple[Mistake, ...]:
    mistakes = []
    for number in range(12):
        text, fake = TEXTS[number % len(TEXTS)], number % 2 == 0
        words = tuple((text[at : at + 2], rng.gauss(0.1, 0.8) ** 3) for at in range(0, len(text), 2))
        probability = (0.02 + 0.01 * number) if fake else (0.98 - 0.01 * number)
        mistakes.append(
            Mistake(
                row=17 + 31 * number,
                id=f"post-{number}" if number % 3 else None,
                content=text,
                label="fake" if fake else "real",
                probability=probability,
                time="2014-07-05T12:30:00" if number % 4 else None,
                domain=DOMAINS[number % 3] if number % 5 else None,
                words=words if number % 6 != 5 else (),
            )
        )
    return tuple(mistakes)


def _reliability(rng: random.Random, n: int) -> tuple[ReliabilityBin, ...]:
    bins = []
    for index in range(10):
        middle = 0.1 * index + 0.05
        count = max(int(n * (0.02 + abs(middle - 0.5) ** 2)), 0) if index != 4 else 0
        share = min(max(middle + rng.gauss(0, 0.05), 0.0), 1.0)
        width = 0.5 / max(count, 1) ** 0.5
        bounds = (max(share - width, 0.0), min(share + width, 1.0))
        bins.append(ReliabilityBin(0.1 * index, 0.1 * (index + 1), count, middle, share, bounds))
    return tuple(bins)


def evaluation(part: str = "val", **changes: Any) -> Evaluation:
    """An evaluation on val, the past (2012 and early 2013), or on test, the future (up to the end of 2014)."""
    future = part == "test"
    rng, level, n = random.Random(part), 0.752 if future else 0.871, 1284 if future else 1918
    scores = _scores(rng, level)
    clean = _scores(rng, level - 0.035)
    fields: dict[str, Any] = {
        "file": f"data/{part}.json", "n": n, "n_fake": n // 2 - 31, "n_unsure": 9, "threshold": 0.437,
        "calibration": "platt, fitted on 1,918 articles (val); threshold for macro_f1",
        "scores": scores, "intervals": _intervals(scores, 0.021), "groups": n - 204, "rounds": 1000,
        "confusion": {"real": {"real": 3 * n // 8, "fake": n // 8}, "fake": {"real": n // 10, "fake": n * 2 // 5}},
        "reliability": _reliability(rng, n),
        "slices": _slices(rng, MONTHS[12:] if future else MONTHS[:13], level, n),
        "mistakes": _mistakes(rng),
        "overlap": Overlap("data/train.json", 109, 306, 291),
        "clean": {"n": n - 306, "n_fake": n // 2 - 190, "scores": clean, "intervals": _intervals(clean, 0.026)},
        "warnings": (
            ("306 of 1,284 articles (23.8%) have a near-duplicate among the training articles: the score without them "
             "is 0.717",) if future else ()
        ),
    }  # fmt: skip
    return Evaluation(**{**fields, **changes})


def bare_evaluation() -> Evaluation:
    """An evaluation with as little as possible: one class, a single defined score, no times, no words."""
    scores: dict[str, float | int | None] = dict.fromkeys(METRICS) | {"acc": 0.75}
    return Evaluation(
        file="posts/mine.jsonl", n=4, n_fake=4, n_unsure=0, threshold=0.5, calibration=None, scores=scores,
        intervals=dict.fromkeys(METRICS), groups=None, rounds=1000,
        confusion={"real": {"real": 0, "fake": 0}, "fake": {"real": 1, "fake": 3}},
        mistakes=(Mistake(3, None, HOSTILE, "fake", 0.2),),
        warnings=("all 4 articles are fake: most scores are undefined",),
    )  # fmt: skip


def _summary(values: Sequence[float], width: float) -> Summary:
    mean = sum(values) / len(values)
    deviation = (sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5 if len(values) > 1 else None
    return Summary(mean, deviation, (mean - width, mean + width))


def _detector(rng: random.Random, name: str, past: float, future: float, seeds: Sequence[int]) -> ComparedDetector:
    runs = []
    for seed in seeds:
        scores = {part: _scores(rng, level + rng.gauss(0, 0.012)) for part, level in (("val", past), ("test", future))}
        loaded = name == "bert"
        runs.append(
            ComparedRun(
                seed,
                f"runs/comparison/runs/{name}-seed-{seed}",
                scores,
                None if loaded else rng.uniform(40, 700),
                None if loaded else rng.randint(600, 1900) * 2**20,
                loaded,
            )
        )
    summaries = {
        part: {
            metric: _summary([float(run.scores[part][metric] or 0) for run in runs], 0.019 if part == "val" else 0.025)
            for metric in ("macro_f1", "auc", "spauc", "acc", "f1_fake", "ece", "brier")
        }
        for part in ("val", "test")
    }
    return ComparedDetector(name, {"model": {"name": name}, "data": {"root_path": "数据"}}, tuple(runs), summaries)


def comparison(seeds: Sequence[int] = (2021, 2022, 2023, 2024, 2025), test: bool = True) -> Comparison:
    """A comparison of six detectors, the baseline last, on val and (if wanted) test."""
    rng = random.Random(7)
    levels = {
        "bigru": (0.871, 0.752), "bigru-endef": (0.866, 0.793), "textcnn": (0.852, 0.741), "mdfend": (0.884, 0.781),
        "bert": (0.902, 0.836),
    }  # fmt: skip
    detectors = [_detector(rng, name, *level, seeds) for name, level in levels.items()]
    detectors.append(_detector(rng, "tfidf", 0.841, 0.752, seeds[:1]))
    by_name = {each.name: each for each in detectors}
    parts = [
        ComparedPart("val", "data/val.json", 1918, 941, 1711), ComparedPart("test", "data/test.json", 1284, 622, 1149)
    ]  # fmt: skip
    pairs = [(name, "tfidf") for name in levels] + [("bert", "bigru-endef"), ("bigru-endef", "mdfend")]
    differences = []
    for first, second in pairs:
        for part in parts:
            means = [by_name[name].summaries[part.name]["macro_f1"].mean or 0.0 for name in (first, second)]
            gap = means[0] - means[1]
            p = min(0.5 / (1 + (gap / 0.015) ** 4), 1.0)
            differences.append(
                Difference(part.name, "macro_f1", first, second, gap, (gap - 0.026, gap + 0.026), p, min(7 * p, 1), 7 * p < 0.05)  # noqa: E501
            )  # fmt: skip
    if not test:
        detectors = [
            ComparedDetector(each.name, each.config, each.runs, {"val": each.summaries["val"]}) for each in detectors
        ]
        parts, differences = parts[:1], [each for each in differences if each.part == "val"]
    return Comparison(
        tuple(detectors), tuple(differences), tuple(parts), tuple(seeds), "tfidf",
        "zhenwei compare configs/bigru.json configs/bigru.json+endef configs/textcnn.json --seeds 5",
        {"zhenwei": "0.1.0", "Python": "3.11.9", "torch": "2.13.0", "machine": "Linux x86_64, 2 cores"},
        () if len(seeds) > 1 else ("a single seed: the intervals do not include the variance of training",),
    )  # fmt: skip


def audit() -> AuditReport:
    """An audit with findings of every status, with tables and charts of both kinds."""
    rng = random.Random(3)
    parts = (
        AuditedPart("train", "data/train.json", "9f" * 32, 5754, 2811, 5754),
        AuditedPart("val", "data/val.json", "0c" * 32, 1918, 941, 1918),
        AuditedPart("test", "data/测试 集.json", "77" * 32, 1284, 0, 0),
    )
    duplicates = Table(
        "exact duplicates across parts", ("text", "first", "second", "labels agree", "share"),
        tuple((text, f"train row {rng.randint(1, 5000)}", f"val row {number}", "yes" if number % 2 else "no", 0.125)
              for number, text in enumerate(TEXTS)),
    )  # fmt: skip
    months = Plot(
        "lines", "Share of fakes by month", tuple(MONTHS), "share of fakes",
        {
            "train": tuple(0.4 + 0.1 * rng.random() if month < 14 else None for month in range(36)),
            "val": tuple(0.6 + 0.15 * rng.random() if 13 < month < 22 else None for month in range(36)),
            "test": tuple(0.7 + 0.2 * rng.random() if month > 21 else None for month in range(36)),
        },
        {"warn": 0.55, "fail": 0.7},
    )  # fmt: skip
    domains = Plot(
        "bars",
        "Share of fakes by domain",
        DOMAINS,
        "share of fakes",
        {"train": tuple(rng.random() for _ in DOMAINS), "val": tuple(rng.random() for _ in DOMAINS)},
    )
    marks = Plot("bars", "Scores of single features on val", ("【", "#", "！！", "http"), "macro-F1 alone",
                 {"val": (0.973, 0.61, 0.58, None)}, {"warn": 0.75, "fail": 0.85})  # fmt: skip
    drifted = Table(
        "Entities whose label changes",
        ("name", "articles before", "fakes before", "articles after", "fakes after"),
        tuple((f"云溪{number}号水厂", 40 - number, 0.95, 21, 0.1) for number in range(14)),
    )
    findings = (
        Finding("duplicates_across", "Exact duplicates across parts", "fail",
                "val: 109 of 1,918 articles (5.7%) are exact duplicates of a train article",
                "warn above 0%, fail from 5%",
                0.0568, "split again with `zhenwei data split`, which keeps duplicates together", (duplicates,)),
        Finding("shortcuts", "Shortcuts", "fail", "【 alone decides the label: macro-F1 0.973 on val",
                "warn from 0.75, fail from 0.85", 0.973, "remove the character from all texts", (), (marks,)),
        Finding("label_drift", "Share of fakes over time", "warn",
                "the share of fakes rises from 44.1% in train to 67.0% in val", "warn from 10 points, fail from 40",
                0.229, "calibrate on recent articles", (), (months, domains)),
        Finding("entity_drift", "Entities whose label changes", "warn",
                "the label of 14 entities changes, first of 云溪水厂",
                "warn from 1", 14.0, "train with `model.debias=endef`", (drifted,)),
        Finding("temporal_leakage", "Training articles later than test", "good",
                "no train article is later than the first test article",
                "warn above 0%, fail from 5%", 0.0),
        Finding("duplicate_ids", "Duplicate ids", "good", f"not checked: no article has an id {HOSTILE}", "none"),
        Finding("lengths", "Text lengths", "good", "0.4% of the texts are truncated at 170 tokens",
                "warn from 10%", 0.004, "", (Table("no rows", ("text", "length"), ()),)),
    )  # fmt: skip
    return AuditReport(parts, findings, "0.1.0", 12.4)


def stress() -> StressResult:
    """A stress test: a family with examples, one that changes nothing, one without fakes."""
    examples = tuple(
        FlippedArticle(7 + n, None, label, text, f"{text} t.cn/RaB3xYz", 0.9 - 0.8 * n, 0.1 + 0.8 * n)
        for n, (label, text) in enumerate((("fake", TEXTS[3]), ("real", TEXTS[4])))
    )
    missed, alarms = FlipShare(237, 846, 0.28, 0.251, 0.311), FlipShare(12, 914, 0.013, 0.008, 0.023)
    none, undefined = FlipShare(0, 846, 0.0, 0.0, 0.005), FlipShare(0, 0, None, None, None)
    falls, same = ScoreChange(-9.1, -10.3, -7.9), ScoreChange(0.0, 0.0, 0.0)
    return StressResult(
        "runs/demo", "data/test.json", 0, 1284, {"macro_f1": 0.752, "auc": 0.83},
        (
            EditResult("link", "a short link after the text", 1284, missed, alarms, 12, 237, 0, 0.661, 0.81, falls,
                       falls, examples),
            EditResult("full_width", "full-width letters and digits", 0, none, none, 0, 0, 0, 0.752, 0.83, same, same),
            EditResult("emoji", HOSTILE, 3, undefined, none, 0, 0, 0, None, None, ScoreChange(None), ScoreChange(None)),
        ),
    )  # fmt: skip


def write_page(kind: str, run: Path, path: Path) -> Path:
    """Write a page: a full one, or one with as little as possible (`run-alone`, `bare`, `single`)."""
    from zhenwei.evaluation import report  # noqa: PLC0415  # loads matplotlib

    if kind == "run":
        return report.write_run_page(run, path, [evaluation("val"), evaluation("test")], audit(), stress())
    if kind == "run-alone":
        return report.write_run_page(run, path)
    if kind in ("evaluation", "bare"):
        return report.write_evaluation_page(evaluation("test") if kind == "evaluation" else bare_evaluation(), path)
    if kind in ("comparison", "single"):
        record = comparison() if kind == "comparison" else comparison((1,), test=False)
        return report.write_comparison_page(record, path)
    return report.write_audit_page(audit(), path)
