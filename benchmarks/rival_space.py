"""The search space of the rival in `against_keras_tuner.py`, as a builder."""

import keras
from keras import layers


def build(hp, data):
    """Returns two embeddings and an MLP, in the style of a Keras Tuner user."""
    user_in = keras.Input((1,), name="user_id")
    item_in = keras.Input((1,), name="item_id")
    user_dim = hp.Int("user_embedding", 8, 64, step=8)
    item_dim = hp.Int("item_embedding", 8, 64, step=8)
    user_vec = layers.Embedding(data.num_users, user_dim)(user_in)
    item_vec = layers.Embedding(data.num_items, item_dim)(item_in)
    x = layers.Concatenate()([layers.Flatten()(user_vec), layers.Flatten()(item_vec)])
    for i in range(hp.Int("num_layers", 1, 3)):
        x = layers.Dense(hp.Int(f"units_{i}", 32, 128, step=32), activation="relu")(x)
        x = layers.Dropout(hp.Float(f"dropout_{i}", 0.0, 0.5, step=0.1))(x)
    model = keras.Model([user_in, item_in], layers.Dense(1)(x))
    hp.Fixed("batch_size", 256)
    optimizer = keras.optimizers.Adam(hp.Choice("learning_rate", [1e-2, 1e-3, 1e-4]))
    model.compile(optimizer, "mse", metrics=[keras.metrics.RootMeanSquaredError(name="rmse")])
    return model
