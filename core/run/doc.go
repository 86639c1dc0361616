// Package run is a whole pretraining run as a library: data prepared, plugins
// started and watched, steps, validations, checkpoints and the final result.
// A run's result depends on its recipe and data alone: not on the backend,
// threads, crashes of plugins, or how often it was stopped and resumed.
//
// It imports abi, core and datasets. Start reading at Pretrain in pretrain.go,
// then data.go for what it learns from, attempt.go for what happens between two
// crashes, learned.go for several objectives, resume.go for where a run begins,
// journal.go for metrics on disk, replay.go for steps that diverge, predict.go
// for what is known before any data is read, and generate.go for using what was
// trained.
package run
