"""The synthetic dataset: a pure function of its settings, without shortcuts except for the flipped entities."""

import itertools
import json
import os
import re
import subprocess
import sys
import unicodedata
from collections import Counter

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from zhenwei.errors import ConfigError, DataError
from zhenwei.news import read_articles
from zhenwei.news.similarity.near_duplicates import shingles
from zhenwei.news.sources import synthetic
from zhenwei.news.sources.synthetic import SyntheticDataset, write_synthetic_dataset
from zhenwei.news.sources.synthetic_distinct import NearDuplicateFilter
from zhenwei.news.sources.synthetic_grammar import load_grammar

pytestmark = [pytest.mark.slow, pytest.mark.no_cover]  # thousands of posts

SMALL = SyntheticDataset(n_train=60, n_val=20, n_test=30)


@pytest.fixture(scope="module")
def parts():
    return SyntheticDataset().generate()


@pytest.fixture(scope="module")
def posts(parts):
    return parts["train"] + parts["val"] + parts["test"]


def is_fake(articles):
    return np.array([article.target == 1 for article in articles])


def macro_f1_of_sign(present, fake):
    """Return the macro-F1 of predicting "fake" if the sign is present, or of the opposite if that is better."""
    return max(f1_score(fake, present, average="macro"), f1_score(fake, ~present, average="macro"))


# --- a pure function of its settings


def test_the_same_seed_gives_the_same_posts_in_another_process():
    code = (
        "from zhenwei.news.sources.synthetic import SyntheticDataset\n"
        "dataset = SyntheticDataset(n_train=60, n_val=20, n_test=30)\n"
        "import json\n"
        "print(json.dumps({p: [a.to_row() for a in rows] for p, rows in dataset.generate().items()}))"
    )
    here = {part: [a.to_row() for a in articles] for part, articles in SMALL.generate().items()}
    there = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(there.stdout) == here


def test_another_seed_has_other_names_and_other_posts():
    other = SyntheticDataset(seed=7, n_train=60, n_val=20, n_test=30)
    assert set(other.flipped_entities) != set(SMALL.flipped_entities)
    contents = [{a.content for a in itertools.chain(*w.generate().values())} for w in (SMALL, other)]
    assert not contents[0] & contents[1]


# --- the posts


@pytest.mark.nightly
def test_parts_have_the_requested_sizes(parts):
    assert {part: len(articles) for part, articles in parts.items()} == {
        "train": 3000,
        "val": 750,
        "test": 1250,
    }


@pytest.mark.nightly
def test_parts_follow_each_other_in_time(parts, posts):
    times = [article.time for article in posts]
    assert times == sorted(set(times))
    assert {t.year for t in times[:3750]} == {2016, 2017, 2018, 2019, 2020}
    assert {article.time.year for article in parts["test"]} == {2021}
    assert [article.id for article in posts[:2]] == ["synthetic-000001", "synthetic-000002"]


@pytest.mark.nightly
def test_half_of_every_part_is_fake_by_default(parts):
    assert {part: is_fake(articles).mean() for part, articles in parts.items()} == {
        "train": 0.5,
        "val": 0.5,
        "test": 0.5,
    }
    uneven = SyntheticDataset(n_train=100, n_val=0, n_test=100, fake_share_past=0.3, fake_share_future=0.7)
    shares = {part: is_fake(articles).sum() for part, articles in uneven.generate().items()}
    assert shares == {"train": 30, "val": 0, "test": 70}


@pytest.mark.nightly
def test_posts_have_the_length_of_real_ones(posts):
    lengths = [len(article.content) for article in posts]
    assert min(lengths) >= 40
    assert max(lengths) <= 160
    assert 75 < np.mean(lengths) < 105


@pytest.mark.nightly
def test_no_slot_of_the_grammar_is_left_unfilled(posts):
    assert not [a.content for a in posts if re.search(r"[{}]|。。|,,|,。", a.content)]


@pytest.mark.nightly
def test_posts_name_one_to_three_entities_in_order_of_appearance(posts):
    for article in posts:
        places = [article.content.index(name) for name in article.entity_list]
        assert 1 <= len(set(article.entity_list)) == len(places) <= 3
        assert places == sorted(places)
    assert len({name for article in posts for name in article.entity_list}) == 200


# --- no near-duplicates


@pytest.mark.nightly
def test_no_two_posts_are_near_duplicates(posts):
    def squeezed(text):
        return re.sub(r"https?://\S+|@\S+|[\W_]", "", unicodedata.normalize("NFKC", text))

    counter = CountVectorizer(analyzer="char", ngram_range=(5, 5), binary=True, dtype=np.float32)
    grams = counter.fit_transform([squeezed(article.content) for article in posts])
    sizes = np.asarray(grams.sum(axis=1)).ravel()
    for start in range(0, len(posts), 500):
        shared = (grams[start : start + 500] @ grams.T).tocoo()
        rows = shared.row + start
        pairs = rows < shared.col
        one, other, common = rows[pairs], shared.col[pairs], shared.data[pairs]
        assert (common / (sizes[one] + sizes[other] - common)).max(initial=0) < 0.5


@pytest.mark.parametrize("threshold", [0.2, 0.45, 0.8])
def test_the_filter_refuses_exactly_the_near_duplicates_of_a_comparison_of_all_pairs(threshold):
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(["甲乙丙", "丁戊", "己庚辛壬", "癸子丑"], size=6)) for _ in range(300)]
    index = NearDuplicateFilter(threshold, texts[:50])
    kept = []
    for text in texts:
        near = any(len(shingles(text) & k) / len(shingles(text) | k) >= threshold for k in kept)
        assert index.add(text) is not near
        if not near:
            kept.append(shingles(text))
    assert 1 < len(kept) < len(texts)


def test_a_copy_that_differs_by_link_mention_and_marks_is_a_near_duplicate():
    index = NearDuplicateFilter(0.45, [])
    assert index.add("据通报,砚溪市中午停电两小时,目前已经恢复。 http://t.example/abc")
    assert not index.add("【据通报】砚溪市中午停电两小时!目前已经恢复 @小城日记")


def test_too_few_wordings_raise_an_error(monkeypatch):
    monkeypatch.setattr(synthetic, "_MAX_SIMILARITY", 0.01)
    with pytest.raises(DataError, match=r"no post differs from the .* earlier ones"):
        SMALL.generate()


# --- the label


@pytest.mark.nightly
def test_no_character_or_bigram_decides_the_label(posts):
    counter = CountVectorizer(analyzer="char", ngram_range=(1, 2), binary=True, lowercase=False)
    present = counter.fit_transform([article.content for article in posts])
    fake = is_fake(posts)
    hits = np.asarray(present[fake].sum(axis=0)).ravel()
    alarms = np.asarray(present[~fake].sum(axis=0)).ravel()

    def macro_f1(hits, alarms):
        misses, passes = fake.sum() - hits, (~fake).sum() - alarms
        return hits / (2 * hits + alarms + misses) + passes / (2 * passes + alarms + misses)

    best = np.maximum(macro_f1(hits, alarms), macro_f1(fake.sum() - hits, (~fake).sum() - alarms))
    assert best.max() < 0.65  # the audit's alarm is at 0.75


@pytest.mark.parametrize("mark", ["【", "http", "@", "#", "！", "[", "%"])
@pytest.mark.nightly
def test_marks_hardly_predict_the_label(posts, mark):
    present = np.array([mark in article.content for article in posts])
    assert 0 < present.mean() < 1
    assert macro_f1_of_sign(present, is_fake(posts)) < 0.56


@pytest.mark.nightly
def test_length_domain_and_number_of_entities_hardly_predict_the_label(posts):
    fake = is_fake(posts)
    lengths = np.array([len(article.content) for article in posts])
    for cut in range(50, 130, 5):
        assert macro_f1_of_sign(lengths > cut, fake) < 0.56
    assert macro_f1_of_sign(np.array([len(a.entity_list) > 1 for a in posts]), fake) < 0.56
    domains = Counter(article.domain for article in posts)
    assert len(domains) == 8
    for domain, count in domains.items():
        in_domain = np.array([article.domain == domain for article in posts])
        assert 0.08 < count / len(posts) < 0.17
        assert 0.42 < fake[in_domain].mean() < 0.58


@pytest.mark.nightly
def test_flipped_entities_change_their_label_and_the_others_have_none(parts):
    flipped = SyntheticDataset().flipped_entities
    assert len(set(flipped)) == 40

    def fake_shares(articles):
        labels = {}
        for article in articles:
            for name in article.entity_list:
                labels.setdefault(name, []).append(article.target)
        return {name: np.mean(of_name) for name, of_name in labels.items()}

    past, future = fake_shares(parts["train"] + parts["val"]), fake_shares(parts["test"])
    with_fakes = [name for name in flipped if past[name] > 0.5]
    with_real = [name for name in flipped if past[name] < 0.5]
    assert len(with_fakes) == len(with_real) == 20
    assert 0.85 < np.mean([past[name] for name in with_fakes]) < 0.94
    assert 0.06 < np.mean([past[name] for name in with_real]) < 0.15
    assert 0.06 < np.mean([future[name] for name in with_fakes]) < 0.15
    assert 0.85 < np.mean([future[name] for name in with_real]) < 0.94
    others = np.mean([share for name, share in past.items() if name not in flipped])
    assert 0.45 < others < 0.55


@pytest.mark.nightly
@pytest.mark.nightly
def test_tfidf_is_good_on_the_past_and_worse_on_the_future_unless_names_are_masked(parts):
    def masked(article):
        return re.sub("|".join(map(re.escape, article.entity_list)), "某", article.content)

    scores = {}
    for name, text_of in {"unchanged": lambda article: article.content, "masked": masked}.items():
        vectors = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, sublinear_tf=True)
        inputs = vectors.fit_transform([text_of(article) for article in parts["train"]])
        model = LogisticRegression(max_iter=1000).fit(inputs, is_fake(parts["train"]))
        for part in ("val", "test"):
            verdicts = model.predict(vectors.transform([text_of(article) for article in parts[part]]))
            scores[name, part] = f1_score(is_fake(parts[part]), verdicts, average="macro")
    print({" ".join(key): round(float(score), 3) for key, score in scores.items()})
    assert 0.86 < scores["unchanged", "val"] < 0.93
    assert 0.60 < scores["unchanged", "test"] < 0.74
    assert 0.78 < scores["masked", "val"] < 0.87
    assert 0.78 < scores["masked", "test"] < 0.87


def test_there_may_be_no_flipped_entities():
    dataset = SyntheticDataset(n_train=40, n_val=0, n_test=0, n_flipped=0)
    assert dataset.flipped_entities == ()
    assert {part: len(articles) for part, articles in dataset.generate().items()} == {
        "train": 40,
        "val": 0,
        "test": 0,
    }


# --- invalid settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_train": -1}, "n_train: found -1; expected 0 or more"),
        ({"n_val": 2.5}, "n_val: found 2.5; expected an integer"),
        ({"seed": "2021"}, "seed: found '2021'; expected an integer"),
        ({"n_flipped": 7}, "n_flipped: found 7; expected an even number up to 96"),
        ({"n_flipped": 98}, "n_flipped: found 98; expected an even number up to 96"),
        ({"entity_bias": 0.3}, "entity_bias: found 0.3; expected between 0.5 and 1"),
        ({"style_strength": 1.2}, "style_strength: found 1.2; expected a number between 0 and 1"),
        ({"fake_share_past": float("nan")}, "fake_share_past: found nan"),
        ({"n_train": 99_000}, "found 101,000 posts; expected at most 100,000"),
    ],
)
def test_an_error_names_the_setting_that_is_out_of_range(settings, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        SyntheticDataset(**settings)


# --- files


def test_the_dataset_is_written_as_three_files_and_a_description(tmp_path):
    written = write_synthetic_dataset(tmp_path / "data", SMALL)
    assert {path.name: count for path, count in written.items()} == {
        "train.json": 60,
        "val.json": 20,
        "test.json": 30,
    }
    expected = SMALL.generate()
    for path in written:
        assert list(read_articles(path)) == expected[path.stem]
    described = json.loads((tmp_path / "data" / "dataset.json").read_text(encoding="utf-8"))
    assert SyntheticDataset(**described["settings"]) == SMALL
    assert [flipped["entity"] for flipped in described["flipped_entities"]] == list(SMALL.flipped_entities)
    assert {"posts", "fake_share"} == set(described["flipped_entities"][0]["past"])


# --- the grammar


def test_every_event_names_its_subject():
    for domain in load_grammar().domains.values():
        for kind, events in domain.events.items():
            assert all(f"{{{kind}}}" in event for event in events)


def test_invented_names_occur_nowhere_else_in_the_grammar():
    grammar = load_grammar()
    assert len(set(grammar.stems)) == len(grammar.stems)
    assert not [one for one, other in itertools.permutations(grammar.stems, 2) if one in other]
    phrases = str((grammar.slots, grammar.style, grammar.domains, grammar.handles, grammar.handle_ends))
    assert not [stem for stem in grammar.stems if stem in phrases]
