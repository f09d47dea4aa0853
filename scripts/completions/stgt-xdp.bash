# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Completion for bash. Commands and options are those that --help tells.

_stgt_xdp()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} words

	COMPREPLY=()
	case $prev in
	--xdp) words="auto zerocopy native generic" ;;
	--allow) words="any any/ro" ;;
	--interface) words=$(ls /sys/class/net) ;;
	--view) words="exports initiators pairs interfaces" ;;
	--sort) words="iops bytes latency name" ;;
	--config | --socket | --chap) return ;; # file names, by -o default
	--state-dir)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	*)
		if [ "$COMP_CWORD" -eq 1 ]; then
			words="--help --version $(stgt-xdp --help 2>/dev/null |
				sed -n 's/^  \([a-z][a-z-]*\).*/\1/p')"
		elif [[ $cur == -* ]]; then
			words="--help $(stgt-xdp "${COMP_WORDS[1]}" --help 2>/dev/null |
				grep -o -e '--[a-z][a-z-]*')"
		else
			case ${COMP_WORDS[1]} in
			attach | detach) words=$(ls /sys/class/net) ;;
			capture) # a file name behind it
				[ "$COMP_CWORD" -eq 2 ] || return
				words=$(ls /sys/class/net)
				;;
			log)
				case $COMP_CWORD in
				2) words="level" ;;
				3) words="error warning notice info debug" ;;
				esac
				;;
			alua)
				case $COMP_CWORD in
				2) words="set list" ;;
				4) words="active/optimized active/nonoptimized standby unavailable offline transitioning" ;;
				*) words="preferred implicit" ;;
				esac
				;;
			*)
				[ "$COMP_CWORD" -ne 2 ] || words=$(stgt-xdp "${COMP_WORDS[1]}" --help 2>/dev/null |
					sed -n "s/.*stgt-xdp ${COMP_WORDS[1]} \([a-z][a-z]*\).*/\1/p")
				;;
			esac
		fi
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -o default -F _stgt_xdp stgt-xdp
