package tracestore

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"

	"go.opentelemetry.io/collector/pdata/pcommon"
)

// attributesJSON returns attributes as a JSON object that keeps the types
// that search compares: text, numbers and booleans.
func attributesJSON(m pcommon.Map) string {
	data, err := json.Marshal(mapValue(m))
	if err != nil { // mapValue makes nothing that JSON lacks
		panic("tracestore: attributes as JSON: " + err.Error())
	}
	return string(data)
}

func mapValue(m pcommon.Map) map[string]any {
	out := make(map[string]any, m.Len())
	for k, v := range m.All() {
		out[k] = jsonValue(v)
	}
	return out
}

func jsonValue(v pcommon.Value) any {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return v.Str()
	case pcommon.ValueTypeInt:
		return v.Int()
	case pcommon.ValueTypeBool:
		return v.Bool()
	case pcommon.ValueTypeDouble:
		if f := v.Double(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
		return strconv.FormatFloat(v.Double(), 'g', -1, 64)
	case pcommon.ValueTypeBytes:
		return base64.StdEncoding.EncodeToString(v.Bytes().AsRaw())
	case pcommon.ValueTypeMap:
		return mapValue(v.Map())
	case pcommon.ValueTypeSlice:
		out := make([]any, 0, v.Slice().Len())
		for _, item := range v.Slice().All() {
			out = append(out, jsonValue(item))
		}
		return out
	default:
		return nil
	}
}
