//! The Burn engine: the network, the losses and the training step as a Burn graph.
