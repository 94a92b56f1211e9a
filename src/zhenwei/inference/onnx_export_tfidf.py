"""The `tfidf` detector as an ONNX graph: the same n-grams, counted by ONNX's own operator for them."""

from importlib import import_module
from typing import Any

import numpy as np

from zhenwei.models.tfidf import Tfidf

OPSET, IR_VERSION = 18, 10
_PADDING = -1  # what no token is
_LEAST_NORM = 1e-30  # a text of no known n-gram has norm 0, and nothing to divide by it


def tfidf_graph(network: Tfidf) -> Any:
    """Build the graph of a fitted baseline, an `onnx.ModelProto`.

    The network finds n-grams by a search in a sorted array, and adds up what it found. ONNX has no such search, but
    `TfIdfVectorizer` counts known n-grams. Of the counts c [B, F] the logits [B] are

        sum_f(w_f idf_f t(c_f)) / sqrt(sum_f(idf_f t(c_f))^2) + bias,   t(c) = c; sublinear: 1 + ln c where c > 0

    There is a count for every n-gram that the detector knows, so that memory grows with both B and F.
    """
    onnx = import_module("onnx")  # an extra
    helper, kinds = onnx.helper, onnx.TensorProto
    idf, weight = network.idf.double().numpy(), network.weight.detach().double().numpy()
    constants = {
        "padding": np.array(_PADDING, np.int64),
        "one": np.array(1, np.float32),
        "least": np.array(_LEAST_NORM, np.float32),
        "bias": network.bias.detach().float().numpy(),
        "weights": (idf * weight).astype(np.float32),
        "squares": (idf * idf).astype(np.float32),
    }
    read = helper.make_node("Where", ["mask", "tokens", "padding"], ["read"])
    steps = [("MatMul", ["frequency", "weights"], "sum"), ("Mul", ["frequency", "frequency"], "frequency_squared")]
    steps += [("MatMul", ["frequency_squared", "squares"], "norm_squared"), ("Sqrt", ["norm_squared"], "norm")]
    steps += [("Max", ["norm", "least"], "divisor"), ("Div", ["sum", "divisor"], "share")]
    steps += [("Add", ["share", "bias"], "logits")]
    nodes = [read, *_frequencies(network), *(helper.make_node(name, given, [made]) for name, given, made in steps)]
    graph = helper.make_graph(
        nodes,
        "tfidf",
        [
            helper.make_tensor_value_info("tokens", kinds.INT64, ["batch", "length"]),
            helper.make_tensor_value_info("mask", kinds.BOOL, ["batch", "length"]),
        ],
        [helper.make_tensor_value_info("logits", kinds.FLOAT, ["batch"])],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="zhenwei")
    onnx.checker.check_model(model)
    return model


def _frequencies(network: Tfidf) -> list[Any]:
    """Return the steps from the tokens that are read to how often each n-gram counts, `frequency` [B, F]."""
    helper = import_module("onnx.helper")
    shortest, longest = network.config.ngram_range
    ngrams = _ngrams(network)  # shorter ones first, as they are sorted
    sizes = [sum(len(ngram) == length for ngram in ngrams) * length for length in range(1, longest + 1)]
    sublinear = network.config.sublinear_tf
    count = helper.make_node(
        "TfIdfVectorizer", ["read"], ["counts" if sublinear else "frequency"], mode="TF", max_skip_count=0,
        min_gram_length=shortest, max_gram_length=longest, pool_int64s=[token for ngram in ngrams for token in ngram],
        ngram_counts=[sum(sizes[:place]) for place in range(longest)], ngram_indexes=list(range(len(ngrams))),
    )  # fmt: skip
    if not sublinear:
        return [count]
    steps = [("Max", ["counts", "one"], "at_least_one"), ("Log", ["at_least_one"], "log")]  # 0 where none was found
    steps += [("Min", ["counts", "one"], "found"), ("Add", ["log", "found"], "frequency")]
    return [count, *(helper.make_node(name, given, [made]) for name, given, made in steps)]


def _ngrams(network: Tfidf) -> list[list[int]]:
    """Return the tokens of each n-gram, which the network keeps as the digits of one number."""
    ngrams = []
    for key in network.keys.tolist():
        rest, tokens = key, []
        while rest:
            rest, digit = divmod(rest, network.base)
            tokens.append(digit - 1)
        ngrams.append(tokens[::-1])
    return ngrams
