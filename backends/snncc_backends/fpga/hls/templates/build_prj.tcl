# Vitis HLS: vitis_hls -f build_prj.tcl ; the four steps below can be switched off.
array set steps {csim 1 csynth 1 cosim 0 export 0}
set part xck26-sfvc784-2LV-c
set period 5

open_project -reset prj
set_top snncc_kernel
add_files kernel.cpp -cflags "-std=c++14 -DSNNCC_USE_AP_INT"
add_files -tb csim.cpp -cflags "-std=c++14 -DSNNCC_USE_AP_INT"
open_solution -reset solution
set_part $part
create_clock -period $period
if {$steps(csim)} { csim_design }
if {$steps(csynth)} { csynth_design }
if {$steps(cosim)} { cosim_design }
if {$steps(export)} { export_design -format ip_catalog }
exit
