module varve-peer-tstorage

go 1.20

require github.com/nakabonne/tstorage v0.3.6
