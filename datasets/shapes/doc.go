// Package shapes is a world of pictures that needs no download: coloured, textured forms of several sizes, alone, in numbers, or
// in a relation, on noisy ground, with captions from a small grammar, class labels, boxes and masks. Picture i of a seed is the same
// on every machine and, but for its resolution, at every size.
//
// Some pairs of colour and form never occur in the training split; the held_out split consists of them, for measuring whether a
// model composes what it has seen.
//
// It imports the package datasets, abi/vision, abi/numerics and Arrow. Start reading at world.go (what there is), then scene.go (what a
// picture shows and says), render.go (how it is drawn, in integers) and dataset.go.
package shapes
