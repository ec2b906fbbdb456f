#include "local_processes.h"

SGW_LAUNCHER("hot_pool_process", sgw::plugins::LocalProcesses, sgw::plugins::LocalProcessesSettings)
