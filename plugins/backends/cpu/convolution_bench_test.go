package cpu

import (
	"fmt"
	"testing"

	"github.com/seedbed/seedbed/abi/ir"
	"github.com/seedbed/seedbed/abi/plugin"
)

// The convolutions of ResNet-50 (He et al., arXiv 1512.03385) on 16 images: forward and both gradients, in multiply-adds a second.
func BenchmarkConvolution(b *testing.B) {
	for _, c := range []struct{ size, in, out, kernel, stride int }{
		{224, 3, 64, 7, 2}, {56, 64, 64, 1, 1}, {56, 64, 64, 3, 1}, {56, 64, 256, 1, 1}, {56, 256, 64, 1, 1}, {28, 128, 512, 1, 1}, {14, 256, 1024, 1, 1}, {56, 256, 512, 1, 2}, {56, 128, 128, 3, 2}, {28, 128, 128, 3, 1}, {14, 256, 256, 3, 1}, {7, 512, 512, 3, 1}, {7, 2048, 512, 1, 1},
	} {
		const images = 16
		w := square(c.kernel, c.stride, c.kernel/2)
		x, k := ir.T(ir.F32, images, c.size, c.size, c.in), ir.T(ir.F32, c.kernel, c.kernel, c.in, c.out)
		y := ir.T(ir.F32, images, w.Output(0, c.size), w.Output(1, c.size), c.out)
		work := float64(y.Elements()) * float64(c.kernel*c.kernel*c.in)
		for _, what := range []string{"forward", "input", "filter"} {
			b.Run(fmt.Sprintf("%dx%d,%d-%d,k%ds%d/%s", c.size, c.size, c.in, c.out, c.kernel, c.stride, what), func(b *testing.B) {
				f := ir.NewBuilder("f")
				xv, kv, ct := f.Param("x", x), f.Param("k", k), f.Param("ct", y)
				g := &ir.Gradient{B: f, In: []ir.Value{xv, kv}, Out: []ir.Value{ct}, Ct: []ir.Value{ct}, Need: []bool{what == "input", what == "filter"}}
				g.Op = &ir.Op{Name: "convolution", Version: 1, Attrs: windowAttrs(w, ir.IntAttr("feature_group_count", 1))}
				if what == "forward" {
					f.Return("y", f.Convolution(xv, kv, w, 1))
				} else {
					for i, v := range g.Apply() {
						if g.Need[i] {
							f.Return("g", v)
						}
					}
				}
				fn, err := f.Func()
				if err != nil {
					b.Fatal(err)
				}
				backend, err := New(Options{})
				if err != nil {
					b.Fatal(err)
				}
				defer backend.Close()
				e, err := backend.Compile(b.Context(), fn)
				if err != nil {
					b.Fatal(err)
				}
				var args []plugin.Argument
				for _, t := range []ir.Type{x, k, y} {
					buf, err := backend.Upload(b.Context(), t, make([]byte, t.Bytes()))
					if err != nil {
						b.Fatal(err)
					}
					args = append(args, plugin.Argument{Buffer: buf})
				}
				for b.Loop() {
					out, err := e.Execute(b.Context(), args)
					if err != nil {
						b.Fatal(err)
					}
					out[0].Release()
				}
				b.ReportMetric(work*float64(b.N)/b.Elapsed().Seconds()/1e9, "GMAC/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
