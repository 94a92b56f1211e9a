"""Presets: configurations by name, shipped with the package."""

from pathlib import Path

from zhenwei.config.section import did_you_mean

# The name of each preset (`<name>.json` in this folder) and one line about it.
PRESETS = {
    "tfidf": "the linear baseline: character n-gram TF-IDF and logistic regression, fitted in seconds",
    "bigru": "BiGRU with n-gram embeddings and a linear path, names masked; no pretrained weights, CPU",
    "bigru-scratch": "BiGRU alone, embeddings learned from scratch, CPU",
    "bigru-endef": "`bigru` with ENDEF's entity debiasing in place of masked names; needs `entity_list`",
    "bigru-bert": "ENDEF's published BiGRU on frozen BERT embeddings; GPU",
    "bigru-bert-endef": "ENDEF's published BiGRU with entity debiasing; needs `entity_list`; GPU",
    "bigru-synthetic": "a small BiGRU for the synthetic dataset, CPU",
    "textcnn": "TextCNN, embeddings learned from scratch, CPU",
    "textcnn-endef": "TextCNN with entity debiasing; needs `entity_list`; CPU",
    "textcnn-synthetic": "a small TextCNN for the synthetic dataset, CPU",
    "bert": "a pretrained encoder whose last layer trains, as published with ENDEF; GPU",
    "bert-endef": "`bert` with entity debiasing; needs `entity_list`; GPU",
    "bert_emo": "BERT, BiGRU and emotion features, as published with ENDEF; needs `emotion`; GPU",
    "bert_emo-endef": "`bert_emo` with entity debiasing; needs `emotion` and `entity_list`; GPU",
    "eann": "EANN on BERT embeddings, adversarial to the year; needs `time`; GPU",
    "eann-endef": "`eann` with entity debiasing; needs `time` and `entity_list`; GPU",
    "eann-scratch": "EANN from scratch, adversarial to the topic; needs `domain`; CPU",
    "mdfend": "MDFEND on a frozen encoder, domains are topics; needs `domain`; GPU",
    "mdfend-endef": "MDFEND with entity debiasing, domains are years; needs `time` and `entity_list`; GPU",
    "mdfend-scratch": "MDFEND from scratch, domains are topics; needs `domain`; CPU",
}


def preset_path(name: str) -> Path:
    """Return the JSON file of a preset.

    Raises:
        ValueError: If there is no such preset; the message names the nearest.
    """
    if name not in PRESETS:
        raise ValueError(f"found {name!r}; {did_you_mean(name, PRESETS)}")
    return Path(__file__).with_name(f"{name}.json")
