// Package resnet is the model plugin of residual networks (He et al., arXiv
// 1512.03385; with the stride of bottlenecks at their 3x3 convolution), under
// the parameter names of Hugging Face's ResNetForImageClassification, and of
// SimCLR (Chen et al., arXiv 2002.05709): such a network as an encoder of two
// views with a projection head.
//
// Batch normalization uses the statistics of the batch in training, and running
// averages of them, which are buffers, in evaluation.
//
// It imports the abi packages. Start reading at model.go.
package resnet
