#include "metrics_prometheus.h"

SGW_METRICS("metrics_prometheus", sgw::plugins::Prometheus, sgw::NoSettings)
