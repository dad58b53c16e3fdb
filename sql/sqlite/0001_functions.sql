-- now_ms() is registered by the sidecar on its connection; deadlines are kept by its own queue.
SELECT now_ms();
