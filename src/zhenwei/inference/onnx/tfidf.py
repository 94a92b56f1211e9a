"""Convert a linear n-gram model to an ONNX graph; the `TfIdfVectorizer` operator counts the n-grams."""

from importlib import import_module
from typing import Any

import numpy as np

from zhenwei.models.linear.logistic import NgramLogisticRegression

OPSET, IR_VERSION = 18, 10
_PADDING = -1  # not a token id
_WIDE = "wide/"  # name prefix of the nodes of a wide path
_MIN_NORM = 1e-30  # a text without known n-grams has norm 0


def tfidf_graph(network: NgramLogisticRegression) -> Any:
    """Build the graph of a fitted n-gram model, an `onnx.ModelProto`.

    The network looks n-grams up in a sorted array, for which ONNX has no operator; `TfIdfVectorizer` counts known
    n-grams instead. With counts c [B, F], the logits [B] are

        sum_f(w_f idf_f t(c_f)) / sqrt(sum_f(idf_f t(c_f))^2) + bias,   t(c) = c; sublinear: 1 + ln c if c > 0

    The counts are dense: memory grows with B times F.
    """
    onnx = import_module("onnx")  # an extra
    helper, kinds = onnx.helper, onnx.TensorProto
    idf, weight = network.idf.double().numpy(), network.weight.detach().double().numpy()
    constants = {
        "padding": np.array(_PADDING, np.int64),
        "one": np.array(1, np.float32),
        "min_norm": np.array(_MIN_NORM, np.float32),
        "bias": network.bias.detach().float().numpy(),
        "weights": (idf * weight).astype(np.float32),
        "squares": (idf * idf).astype(np.float32),
    }
    masked = helper.make_node("Where", ["mask", "tokens", "padding"], ["masked"])
    steps = [("MatMul", ["frequency", "weights"], "sum"), ("Mul", ["frequency", "frequency"], "frequency_squared")]
    steps += [("MatMul", ["frequency_squared", "squares"], "norm_squared"), ("Sqrt", ["norm_squared"], "norm")]
    steps += [("Max", ["norm", "min_norm"], "divisor"), ("Div", ["sum", "divisor"], "normalized")]
    steps += [("Add", ["normalized", "bias"], "logits")]
    nodes = [
        masked,
        *_frequencies(network),
        *(helper.make_node(name, inputs, [output]) for name, inputs, output in steps),
    ]
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


def with_wide_path(deep: Any, wide: NgramLogisticRegression, share: float) -> Any:
    """Add a wide path to the graph of a deep network: logits = share * wide + (1 - share) * deep."""
    onnx = import_module("onnx")
    compose = import_module("onnx.compose")
    helper, graph = onnx.helper, deep.graph
    wide_graph = compose.add_prefix_graph(tfidf_graph(wide).graph, _WIDE, rename_inputs=False)
    for node in graph.node:
        node.output[:] = [f"{_WIDE}deep" if name == "logits" else name for name in node.output]
        node.input[:] = [f"{_WIDE}deep" if name == "logits" else name for name in node.input]
    steps = [("Mul", [f"{_WIDE}deep", f"{_WIDE}share_of_deep"], f"{_WIDE}weighted_deep")]
    steps += [("Mul", [f"{_WIDE}logits", f"{_WIDE}share_of_wide"], f"{_WIDE}weighted_wide")]
    steps += [("Add", [f"{_WIDE}weighted_deep", f"{_WIDE}weighted_wide"], "logits")]
    for name, value in (("share_of_wide", share), ("share_of_deep", 1 - share)):
        graph.initializer.append(onnx.numpy_helper.from_array(np.array(value, np.float32), f"{_WIDE}{name}"))
    graph.initializer.extend(wide_graph.initializer)
    graph.node.extend(wide_graph.node)
    graph.node.extend(helper.make_node(name, inputs, [output]) for name, inputs, output in steps)
    for number, node in enumerate(node for node in graph.node if node.output[0].startswith(_WIDE)):
        node.name = f"{_WIDE}{number}"
    onnx.checker.check_model(deep)
    return deep


def wide_nodes(model: Any) -> list[str]:
    """Return the names of the nodes of a wide path."""
    return [node.name for node in model.graph.node if node.name.startswith(_WIDE)]


def _frequencies(network: NgramLogisticRegression) -> list[Any]:
    """Return the nodes that compute the term frequency t(c), `frequency` [B, F]."""
    helper = import_module("onnx.helper")
    shortest, longest = network.config.ngram_range
    ngrams = _ngrams(network)  # sorted, shorter ones first
    sizes = [sum(len(ngram) == length for ngram in ngrams) * length for length in range(1, longest + 1)]
    sublinear = network.config.sublinear_tf
    count = helper.make_node(
        "TfIdfVectorizer", ["masked"], ["counts" if sublinear else "frequency"], mode="TF", max_skip_count=0,
        min_gram_length=shortest, max_gram_length=longest, pool_int64s=[token for ngram in ngrams for token in ngram],
        ngram_counts=[sum(sizes[:length]) for length in range(longest)], ngram_indexes=list(range(len(ngrams))),
    )  # fmt: skip
    if not sublinear:
        return [count]
    steps = [("Max", ["counts", "one"], "at_least_one"), ("Log", ["at_least_one"], "log")]  # 0 for a count of 0
    steps += [("Min", ["counts", "one"], "present"), ("Add", ["log", "present"], "frequency")]
    return [count, *(helper.make_node(name, inputs, [output]) for name, inputs, output in steps)]


def _ngrams(network: NgramLogisticRegression) -> list[list[int]]:
    """Return the tokens of each n-gram, which the network stores as the digits of one number."""
    ngrams = []
    for key in network.keys.tolist():
        rest, tokens = key, []
        while rest:
            rest, digit = divmod(rest, network.base)
            tokens.append(digit - 1)
        ngrams.append(tokens[::-1])
    return ngrams
