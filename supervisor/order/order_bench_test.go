package order

import (
	"fmt"
	"testing"

	"github.com/lyandev/lyandev/services"
)

// BenchmarkLook measures what one look asks of this package: who waits, and who may stop, with three dependencies a workload.
func BenchmarkLook(b *testing.B) {
	for _, n := range []int{10, 100, 300} {
		s, facts := chain(n)
		b.Run(fmt.Sprintf("waits/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Waits(s, facts)
			}
		})
		b.Run(fmt.Sprintf("maystop/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				MayStop(s, facts)
			}
		})
		b.Run(fmt.Sprintf("layers/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Layers(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// chain is a stack of n workloads that each depend on the three before it, and all are right.
func chain(n int) (*services.Stack, map[string]Facts) {
	var lines []string
	facts := map[string]Facts{}
	for i := range n {
		line := fmt.Sprintf("workload-%03d:", i)
		for k := max(i-3, 0); k < i; k++ {
			line += fmt.Sprintf(" workload-%03d", k)
		}
		lines = append(lines, line)
		facts[fmt.Sprintf("workload-%03d", i)] = Facts{Started: true, Right: true, Pods: 1}
	}
	return stack(lines...), facts
}
