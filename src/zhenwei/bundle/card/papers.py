"""The papers that a model card cites."""

_ENDEF = (
    "Yongchun Zhu, Qiang Sheng, Juan Cao, Shuokai Li, Danding Wang, Fuzhen Zhuang. "
    "Generalizing to the Future: Mitigating Entity Bias in Fake News Detection. SIGIR 2022."
)
_BERT = (
    "Jacob Devlin, Ming-Wei Chang, Kenton Lee, Kristina Toutanova. "
    "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding. NAACL 2019."
)
_PAPERS: dict[str, tuple[str, ...]] = {
    "bigru": (_ENDEF,),
    "textcnn": ("Yoon Kim. Convolutional Neural Networks for Sentence Classification. EMNLP 2014.",),
    "bert": (_BERT,),
    "bert_emo": (
        "Xueyao Zhang, Juan Cao, Xirong Li, Qiang Sheng, Lei Zhong, Kai Shu. "
        "Mining Dual Emotion for Fake News Detection. WWW 2021.",
        _BERT,
    ),
    "eann": (
        "Yaqing Wang, Fenglong Ma, Zhiwei Jin, Ye Yuan, Guangxu Xun, Kishlay Jha, Lu Su, Jing Gao. "
        "EANN: Event Adversarial Neural Networks for Multi-Modal Fake News Detection. KDD 2018.",
    ),
    "mdfend": (
        "Qiong Nan, Juan Cao, Yongchun Zhu, Yanyan Wang, Jintao Li. "
        "MDFEND: Multi-domain Fake News Detection. CIKM 2021.",
    ),
}


def papers(detector: str, *, debiased: bool) -> tuple[str, ...]:
    """Return the papers of a detector; none for a baseline or a third-party detector.

    Args:
        detector: Its name, as in `model.name`.
        debiased: Whether it was trained with ENDEF.
    """
    own = _PAPERS.get(detector, ())
    return own if not debiased or _ENDEF in own else (*own, _ENDEF)
