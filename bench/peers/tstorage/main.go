// SPDX-License-Identifier: Apache-2.0

// The Go library tstorage, driven for `varve-bench compare` (bench/versus_embedded.c).
//
//	PROGRAM --version
//	PROGRAM insert --dir DIR --values FILE --series N --steps N --call N
//	PROGRAM select --dir DIR --series N --steps N [--selects N --span N]
//
// The values are doubles in the machine's order, step after step, series after series; row k of series
// i is at start + k*step, metric cpu_usage_user, label hostname=host_i. Figures are one line of JSON.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/nakabonne/tstorage"
)

const (
	version = "0.3.6" // as go.mod has it
	metric  = "cpu_usage_user"
	startNS = int64(1451606400000000000)
	stepNS  = int64(10000000000)
)

type job struct {
	dir, values                        string
	series, steps, call, selects, span int
}

func (j *job) open() tstorage.Storage {
	storage, err := tstorage.NewStorage(tstorage.WithDataPath(j.dir),
		tstorage.WithTimestampPrecision(tstorage.Nanoseconds))
	must(err)
	return storage
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func labels(series int) []tstorage.Label {
	return []tstorage.Label{{Name: "hostname", Value: "host_" + strconv.Itoa(series)}}
}

// insert appends call rows at a time, in the order of the file. What is written is on the disk when the
// storage is closed; the log is written without a sync.
func (j *job) insert() {
	bytes, err := os.ReadFile(j.values)
	must(err)
	names := make([][]tstorage.Label, j.series)
	for i := range names {
		names[i] = labels(i)
	}
	storage := j.open()
	rows := make([]tstorage.Row, 0, j.call)
	total := j.series * j.steps
	start := time.Now()
	for at := 0; at < total; at += j.call {
		rows = rows[:0]
		for i := at; i < at+j.call && i < total; i++ {
			rows = append(rows, tstorage.Row{Metric: metric, Labels: names[i%j.series],
				DataPoint: tstorage.DataPoint{
					Value:     math.Float64frombits(binary.LittleEndian.Uint64(bytes[i*8:])),
					Timestamp: startNS + int64(i/j.series)*stepNS,
				}})
		}
		must(storage.InsertRows(rows))
	}
	appended := time.Since(start)
	must(storage.Close())
	fmt.Printf("{\"rows\":%d,\"append_s\":%g,\"total_s\":%g}\n", total, appended.Seconds(),
		time.Since(start).Seconds())
}

// query reads a storage that was closed: every series from end to end, or selects times span rows.
func (j *job) query() {
	storage := j.open()
	count, selects, span := 0, j.series, j.steps
	if j.selects > 0 {
		selects, span = j.selects, j.span
	}
	sum := 0.0
	start := time.Now()
	for i := 0; i < selects; i++ {
		first := 0
		if span < j.steps {
			first = i * 104729 % (j.steps - span)
		}
		points, err := storage.Select(metric, labels(i*7919%j.series), startNS+int64(first)*stepNS,
			startNS+int64(first+span)*stepNS)
		must(err)
		for _, point := range points {
			sum += point.Value
		}
		count += len(points)
	}
	seconds := time.Since(start).Seconds()
	must(storage.Close())
	fmt.Printf("{\"rows\":%d,\"sum\":%.17g,\"seconds\":%g}\n", count, sum, seconds)
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 || os.Args[1] == "--version" {
		fmt.Printf("tstorage version %s\n", version)
		return
	}
	j := &job{}
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&j.dir, "dir", "", "directory of the storage")
	flags.StringVar(&j.values, "values", "", "file of doubles")
	flags.IntVar(&j.series, "series", 1, "")
	flags.IntVar(&j.steps, "steps", 1, "")
	flags.IntVar(&j.call, "call", 1, "rows for each call")
	flags.IntVar(&j.selects, "selects", 0, "0: every series from end to end")
	flags.IntVar(&j.span, "span", 0, "rows for each select")
	must(flags.Parse(os.Args[2:]))
	switch os.Args[1] {
	case "insert":
		j.insert()
	case "select":
		j.query()
	default:
		log.Fatalf("unknown operation %s", os.Args[1])
	}
}
