// Package tensorboard encodes event files that TensorBoard reads: records of
// TensorFlow's TFRecord format, each an Event message with scalars. It imports
// google.golang.org/protobuf/encoding/protowire. Start reading at events.go.
package tensorboard
